"""LoRA: what it trains, what it leaves behind, and that a killed run goes on."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from iterpref_core.config import Layout, TrainingParams
from iterpref_core.inference.local.weights import load_model
from iterpref_core.training.training import train_objective
from tests.training.test_training import train_and_die

Inputs = tuple[Path, Path, Path]


@pytest.fixture
def inputs(pairs_file: Path, spans_file: Path, model_folder: Path) -> Inputs:
    return pairs_file, spans_file, model_folder


@pytest.fixture
def lora(params: TrainingParams) -> TrainingParams:
    return params.model_copy(update={"lora_rank": 4, "epochs": 8})


def _train(folder: Path, inputs: Inputs, params: TrainingParams) -> dict[str, torch.Tensor]:
    train_objective(*inputs, "target-rpo", params, folder / "out", folder / "curve.csv", folder / "work")
    return load_file(folder / "out" / "model.safetensors")


@pytest.mark.parametrize("layout", ["fork", "padded"])
def test_a_trained_adapter_becomes_a_plain_checkpoint(
    tmp_path: Path, inputs: Inputs, lora: TrainingParams, layout: Layout
) -> None:
    trained = _train(tmp_path, inputs, lora.model_copy(update={"layout": layout}))
    base = load_file(inputs[2] / "model.safetensors")
    assert trained.keys() == base.keys()
    changed = {name for name in base if not torch.equal(base[name], trained[name])}
    assert changed == {name for name in base if "_proj" in name}, "all linear layers, and nothing else"
    for name in changed:
        assert torch.linalg.matrix_rank(trained[name] - base[name], rtol=1e-4) <= 4
    assert not list((tmp_path / "out").glob("adapter*"))
    assert type(load_model(tmp_path / "out")) is type(load_model(inputs[2]))
    again = _train(tmp_path / "again", (*inputs[:2], tmp_path / "out"), lora)
    assert not torch.equal(again[next(iter(changed))], trained[next(iter(changed))])


def test_a_killed_run_resumes_and_ends_with_the_same_weights(
    tmp_path: Path, inputs: Inputs, lora: TrainingParams
) -> None:
    whole = _train(tmp_path / "whole", inputs, lora)
    killed = tmp_path / "killed"
    train_and_die(killed, inputs, lora)
    resumed = _train(killed, inputs, lora)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
