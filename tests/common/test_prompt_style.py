"""Every stage that renders prompts is told how the student reads them."""

import importlib
from pathlib import Path
from typing import Any

import pytest

from iterpref_core.config import load_params
from tests.settings import ROOT


def test_codeflow_passes_the_student_s_style(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, word_model: Path) -> None:
    from iterpref_core.codeflow import codeflow
    from iterpref_core.codeflow import roles as models
    from tasks.codeflow import debug_with

    given: dict[str, Any] = {}
    monkeypatch.setattr(models, "choose_models", lambda *_, **named: given.update(named))
    monkeypatch.setattr(codeflow, "run_codeflow", lambda *_: {})
    params = load_params(ROOT / "params.yaml")
    plain = params.model_copy(update={"model": params.model.model_copy(update={"prompt": "plain"})})
    debug_with(word_model, word_model, plain, tmp_path, tmp_path)
    assert given["prompt"] == "plain"


@pytest.mark.parametrize(
    ("module", "function", "arguments", "expected"),
    [
        ("training", "train_objective", ("sft",), "plain"),
        ("evaluation", "evaluate_model", ("base",), "plain"),
        ("evaluation", "evaluate_model", ("target-rpo",), "plain"),
        ("evaluation", "evaluate_model", ("debugger",), "auto"),
    ],
)
def test_a_stage_passes_the_style_of_its_model(
    monkeypatch: pytest.MonkeyPatch, module: str, function: str, arguments: tuple[str, ...], expected: str
) -> None:
    task = importlib.import_module(f"tasks.{module}")
    given: dict[str, Any] = {}
    monkeypatch.setattr(task, "run_body", lambda *_, **named: given.update(named))
    params = load_params(ROOT / "params.yaml")
    plain = params.model_copy(update={"model": params.model.model_copy(update={"prompt": "plain"})})
    getattr(task, function)(plain, *arguments)
    assert given["prompt"] == expected
