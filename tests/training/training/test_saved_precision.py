"""A trained model is written in its precision, with the share of the change that survives rounding."""

import shutil
from weakref import ref

import pytest
import torch
from transformers import AutoModelForCausalLM

from iterpref_core.models.pretrained.lineage import read_lineage
from iterpref_core.records import ObjectiveParams
from iterpref_core.training.trainer.saved_precision import round_weights

from .conftest import assert_equal_weights, read_weights


@pytest.fixture
def halved(model_folder, tmp_path):
    """The model in bfloat16."""
    folder = tmp_path / "halved"
    shutil.copytree(model_folder, folder)
    AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.bfloat16).save_pretrained(folder)
    return folder


def test_a_change_that_rounding_takes_away_is_measured_said_and_recorded(halved, inputs, train, tmp_path, caplog):
    shares, small_steps = {}, {"sft": ObjectiveParams(learning_rate=5e-6, alpha=1.0)}
    for choice in ("bfloat16", "float32", "auto"):
        caplog.clear()
        metrics = train(choice, "sft", (inputs[0], halved), epochs=1, save_dtype=choice, objectives=small_steps)
        shares[choice] = metrics["surviving_change"]
        assert read_lineage(tmp_path / choice / "out").surviving_change == round(shares[choice], 4)
        assert "in half precision" not in caplog.text, "float32 is trained, whatever was saved"
        assert ("not the one whose rewards were shown" in caplog.text) == (choice == "bfloat16")
        assert ("float32 is written" in caplog.text) == (choice == "auto")
        # Where the model answers in bfloat16, float32 weights alone do not help.
        assert ("inference.bf16: false" in caplog.text) == (choice != "float32")
    before = AutoModelForCausalLM.from_pretrained(halved).state_dict()
    exact, rounded = read_weights(tmp_path / "float32"), read_weights(tmp_path / "bfloat16")
    assert_equal_weights(tmp_path / "auto", tmp_path / "float32")
    assert {weight.dtype for weight in exact.values()} == {torch.float32}
    assert {weight.dtype for weight in rounded.values()} == {torch.bfloat16}
    change = sum(float((weight - before[name].float()).abs().sum()) for name, weight in exact.items())
    lost = sum(float((weight - rounded[name].float()).abs().sum()) for name, weight in exact.items())
    assert shares["float32"] == shares["auto"] == 1.0
    assert shares["bfloat16"] == pytest.approx(1 - lost / change, abs=1e-4)
    assert shares["bfloat16"] < 0.5


def test_adapters_are_merged_before_anything_is_rounded(halved, inputs, train, tmp_path):
    lora = {"r": 2, "lora_alpha": 4, "target_modules": "all-linear"}
    for choice in ("auto", "float32"):
        train(choice, "sft", (inputs[0], halved), epochs=1, lora=lora, save_dtype=choice)
    exact = read_weights(tmp_path / "float32")
    for name, weight in read_weights(tmp_path / "auto").items():
        assert torch.equal(weight, exact[name].bfloat16()), name


def test_trained_weights_are_taken_one_by_one():
    """So that a card, or memory, never holds a further copy of all of them."""
    taken = []

    class Gathered(dict[str, torch.Tensor]):
        def pop(self, name):
            assert sum(held() is not None for held in taken) <= 1
            weight = super().pop(name)
            taken.append(ref(weight))
            return weight

    before = {str(number): torch.ones(4) for number in range(4)}
    trained = Gathered({name: 1.001 * weight for name, weight in before.items()})
    written, _ = round_weights(before, trained, "bfloat16")
    assert len(taken) == len(written) == 4
    assert not trained


def test_half_precision_that_is_trained_is_said_once(halved, inputs, train, caplog):
    train("run", "sft", (inputs[0], halved), epochs=1, load="bf16")
    assert caplog.text.count("weights are trained in half precision") == 1
