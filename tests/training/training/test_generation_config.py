"""A checkpoint's generation_config.json that transformers refuses does not end a training, and is valid afterwards."""

import json
import shutil

import pytest
from transformers import AutoModelForCausalLM, GenerationConfig

from iterpref_core.models.pretrained.weights import check_checkpoint
from iterpref_core.records import ModelError


@pytest.fixture
def model(model_folder, tmp_path):
    """A model whose tokenizer has no pad token, so that training changes its generation config."""
    folder = tmp_path / "model"
    shutil.copytree(model_folder, folder)
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    del settings["pad_token"]
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ({"temperature": 0.9, "top_p": 0.6}, {"temperature": 0.9, "top_p": 0.6, "do_sample": True}),
        ({"early_stopping": "x", "eos_token_id": [1, 7]}, {"eos_token_id": [1, 7]}),
    ],
    ids=["sampling unsaid", "refused when loaded"],
)
def test_it_is_made_valid(written, kept, model, inputs, train, tmp_path):
    (model / "generation_config.json").write_text(json.dumps(written))
    train("run", "sft", (inputs[0], model), epochs=1)
    out = tmp_path / "run" / "out"
    GenerationConfig.from_pretrained(out).validate(strict=True)
    AutoModelForCausalLM.from_pretrained(out)
    saved = json.loads((out / "generation_config.json").read_text())
    assert {name: saved[name] for name in kept} == kept
    assert kept.get("temperature") == saved.get("temperature")


def test_one_that_cannot_be_read_is_named(model):
    (model / "generation_config.json").write_text("{")
    with pytest.raises(ModelError, match=r"no usable generation_config\.json"):
        check_checkpoint(model)
