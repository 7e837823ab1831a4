"""Checkpoints on the command line: refused by every verb before anything is spent; a hub id trains like a folder."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from iterpref_core.inference.local.weights import load_model
from tests.inference.stand_in_hub import serving_hub, use_hub
from tests.settings import ROOT


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Input of the verbs, in the present folder."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copy(ROOT / "requirements.lock", tmp_path)
    pair = {"task_id": "a", "prompt": "Return x.", "chosen": "return x", "rejected": "x return x"}
    span = {"task_id": "a", "method": "line_lcs", "rejected": [[0, 1]], "chosen": []}
    problem = {
        "task_id": "a",
        "prompt": "Return x.",
        "entry_point": "f",
        "split": "heldout",
        "tests": [{"kind": "io", "call": "f(1)", "expected": "1"}],
    }
    for name, record in (("pairs", pair), ("spans", span), ("problems", problem)):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(record) + "\n", encoding="utf-8")
    return {name: tmp_path / f"{name}.jsonl" for name in ("pairs", "spans", "problems")}


def told(err: str) -> int:
    """Messages on stderr, which also shows bars of libraries that were imported before they were told not to."""
    return sum(bool(line) and "it/s]" not in line for line in err.splitlines())


def verb(name: str, model: object) -> list[object]:
    return {
        "train": ["train", "--objective", "target-dpo", "--pairs", "pairs.jsonl", "--spans", "spans.jsonl"],
        "debug": ["debug", "--problems", "problems.jsonl"],
        "evaluate": ["evaluate", "--benchmark", "heldout", "--problems", "problems.jsonl"],
    }[name] + ["--model", model, "--out", "out"]


VERBS = ("train", "debug", "evaluate")


@pytest.mark.parametrize("name", VERBS)
def test_a_checkpoint_without_its_head_is_refused_before_anything_is_spent(
    iterpref: Any, name: str, files: dict[str, Path], word_model: Path, tmp_path: Path
) -> None:
    shutil.copytree(word_model, tmp_path / "model")
    weights = load_file(tmp_path / "model/model.safetensors")
    del weights["lm_head.weight"]
    save_file(weights, tmp_path / "model/model.safetensors", {"format": "pt"})
    before = set(tmp_path.iterdir())
    code, _, err = iterpref(*verb(name, "model"))
    assert (code, told(err)) == (2, 1), err
    assert "lacks 1 of the model's weights (lm_head.weight)" in err
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize("name", VERBS)
def test_a_gated_model_is_named_with_the_remedy(
    iterpref: Any, name: str, files: dict[str, Path], word_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving_hub({"org/tiny": {"main": word_model}}, "org/tiny") as address:
        use_hub(monkeypatch, address, tmp_path / "cache")
        code, _, err = iterpref(*verb(name, "org/tiny@main"))
    assert (code, told(err)) == (2, 1), err
    assert "gated repo.); accept its license" in err
    code, _, err = iterpref(*verb(name, "org/tiny@main"))
    assert (code, told(err)) == (2, 1), err
    assert "neither a folder here nor a model on the hub that can be reached" in err


def test_a_hub_id_in_shards_is_trained_and_asked(
    iterpref: Any, files: dict[str, Path], word_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(word_model, tmp_path / "shards")
    (tmp_path / "shards/model.safetensors").unlink()
    AutoModelForCausalLM.from_pretrained(word_model).save_pretrained(tmp_path / "shards", max_shard_size="20KB")
    with serving_hub({"org/tiny": {"v1": tmp_path / "shards"}}) as address:
        use_hub(monkeypatch, address, tmp_path / "cache")
        code, _, err = iterpref(*verb("train", "org/tiny@v1"))
        assert code == 0, err
    trained, base = (load_model(tmp_path / name).state_dict() for name in ("out", "shards"))
    assert trained.keys() == base.keys()
    assert any((trained[name] != base[name]).any() for name in base)
    code, _, err = iterpref("evaluate", *verb("evaluate", "org/tiny@v1")[1:-1], "results")
    assert code == 0, err
    assert json.loads((tmp_path / "results/results.json").read_text("utf-8"))["model"] == "tiny@v1"


def test_doctor_looks_into_the_models_that_are_named(
    iterpref: Any, files: dict[str, Path], word_model: Path, tmp_path: Path
) -> None:
    shutil.copytree(word_model, tmp_path / "adapters")
    (tmp_path / "adapters/adapter_config.json").write_text("{}", encoding="utf-8")
    params = tmp_path / "params.yaml"
    text = params.read_text("utf-8").replace("student: nanolab", "student: ./adapters")
    params.write_text(text.replace("debugger: nanolab", f"debugger: {word_model}"), encoding="utf-8")
    code, out, _ = iterpref("doctor", "--json")
    found = {finding["name"]: finding for finding in json.loads(out)}
    assert code == 1
    assert "holds LoRA adapters" in found["model: student"]["remedy"]
    assert found["model: debugger"]["status"] == "ok"
