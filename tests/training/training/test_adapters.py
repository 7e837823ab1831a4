"""Adapters that stay adapters are read as models are, trained further, and trained with dropout."""

import json
import shutil

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from iterpref_core.evaluation.sharing.export_model import export_model
from iterpref_core.models.inference.backend import Request, Sampling
from iterpref_core.models.inference.transformers_model import TransformersModel
from iterpref_core.models.inference.vllm_server import serve
from iterpref_core.models.pretrained.fingerprint import model_fingerprint
from iterpref_core.models.pretrained.lineage import read_lineage
from iterpref_core.models.pretrained.weights import check_checkpoint, load_model
from iterpref_core.records import ConfigError, ModelError

from .conftest import read_curve

WEIGHTS = "adapter_model.safetensors"
LORA = {"r": 4, "lora_alpha": 32, "modules_to_save": ["lm_head"]}


def tokens():
    return torch.tensor([[2, 3, 2, 5]])


@pytest.fixture(scope="module")
def adapters(trained):
    """A folder of adapters that training has written, with a copy of the head."""
    return trained("target-rpo", lora=LORA, epochs=1, merge=False)[1] / "out"


@pytest.fixture
def copied(adapters, tmp_path):
    return shutil.copytree(adapters, tmp_path / "copied")


def test_a_folder_of_adapters_is_read_as_the_model_that_was_trained(adapters, model_folder, pair_records, tmp_path):
    assert check_checkpoint(adapters) == adapters
    expected = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(model_folder), adapters)
    logits = load_model(adapters)(tokens()).logits
    assert torch.equal(logits, expected(tokens()).logits)
    assert not torch.allclose(logits, load_model(model_folder)(tokens()).logits, atol=1e-3)
    assert model_fingerprint(adapters) != model_fingerprint(model_folder)

    export_model(adapters, tmp_path / "merged", "card")
    request = Request(str(pair_records[0].prompt), 0)
    sampling = Sampling(0.0, 8)
    models = (adapters, tmp_path / "merged")
    answers = [TransformersModel(model, 1, bf16=False).generate([request], sampling) for model in models]
    assert answers[0] == answers[1]
    assert torch.allclose(load_model(tmp_path / "merged")(tokens()).logits, logits, atol=1e-4)
    assert not (tmp_path / "merged" / "adapter_config.json").exists()
    assert not list(adapters.glob("*.md")), "no empty card"


def test_training_goes_on_from_adapters(adapters, model_folder, inputs, train, tmp_path):
    more = (inputs[0], adapters)
    train("more", "target-rpo", more, lora={}, merge=False, epochs=1)
    first = read_curve(tmp_path / "more")[0]
    assert float(first["rewards/margins"]) == pytest.approx(0.0, abs=1e-6), "the reference has the adapters"
    out = tmp_path / "more" / "out"
    written = json.loads((out / "adapter_config.json").read_text())
    assert (written["r"], written["lora_alpha"]) == (4, 32)
    assert written["base_model_name_or_path"] == str(model_folder)
    before = load_file(adapters / WEIGHTS)
    after = load_file(out / WEIGHTS)
    assert before.keys() == after.keys()
    assert not torch.equal(before["base_model.model.lm_head.weight"], after["base_model.model.lm_head.weight"])
    assert any(not torch.equal(before[name], after[name]) for name in before if "lora" in name)
    assert read_lineage(out).before.objective == "target-rpo"

    train("merged", "target-rpo", more, lora={"r": 4}, epochs=1)
    whole = load_model(tmp_path / "merged" / "out")(tokens()).logits
    torch.testing.assert_close(whole, load_model(out)(tokens()).logits, rtol=0, atol=1e-4)


def test_other_options_than_the_adapters_have_are_refused(adapters, inputs, train):
    more = (inputs[0], adapters)
    with pytest.raises(ConfigError, match=r"these adapters are trained further with training.lora: {}"):
        train("none", "dpo", more)
    with pytest.raises(ConfigError, match=r"training.lora.r: is 8, and the adapters in .* have 4; remove it"):
        train("other", "dpo", more, lora={"r": 8})


def test_weights_of_adapters_that_lack_are_told(copied):
    weights = load_file(copied / WEIGHTS)
    save_file(dict(list(weights.items())[:-1]), copied / WEIGHTS)
    with pytest.raises(ModelError, match=r"copied: no usable adapters \(.*missing adapter keys"):
        load_model(copied)
    (copied / WEIGHTS).unlink()
    with pytest.raises(ModelError, match=r"has adapter_config\.json and no adapter_model\.safetensors"):
        check_checkpoint(copied)


def test_dropout_of_adapters_is_in_training_alone(adapters, train, tmp_path):
    train("with", "target-rpo", lora=LORA | {"lora_dropout": 0.5}, epochs=1, merge=False)
    rows, without = read_curve(tmp_path / "with"), read_curve(adapters.parent)
    # Batches of training and of the reference differ in shape, and so in the order of float32 sums.
    assert float(rows[0]["rewards/margins"]) == pytest.approx(0.0, abs=1e-5), "fresh adapters add 0"
    assert float(rows[0]["loss"]) == pytest.approx(float(without[0]["loss"]), rel=1e-5)
    assert rows[-1]["loss"] != without[-1]["loss"]


def test_vllm_is_given_no_adapters(adapters):
    with pytest.raises(ModelError, match=r"vLLM is given whole models, .* merge them with"), serve(adapters):
        pass


def test_adapters_on_adapters_are_refused(adapters, copied):
    options = json.loads((copied / "adapter_config.json").read_text())
    options["base_model_name_or_path"] = str(adapters)
    (copied / "adapter_config.json").write_text(json.dumps(options))
    with pytest.raises(ModelError, match="is itself a folder of adapters; merge that with `iterpref export`"):
        check_checkpoint(copied)
