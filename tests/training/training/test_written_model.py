"""What is written beside trained weights: all that the start has, as other programs read it."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from iterpref_core.evaluation.sharing.export_model import export_model
from iterpref_core.models.pretrained.weights import _name_unplaced, check_checkpoint, load_base
from iterpref_core.training.trainer.trained_model import _whole_model
from tests.architectures import FAMILIES, build_small

_QUICK = ["gemma2", "gpt2", "gpt_oss", "llama", "mamba", "mixtral", "qwen3_moe", "qwen3_next"]
_WRITTEN = {*FAMILIES, "cohere2", "falcon_h1", "granite", "olmo2", "opt", "stablelm", "starcoder2"} - {*_QUICK, "bert"}


def _tokens():
    return torch.arange(3, 19)[None]


@pytest.mark.filterwarnings("ignore")  # of kernels that are not installed
@pytest.mark.parametrize("name", [*_QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in sorted(_WRITTEN))])
def test_plain_transformers_loads_what_is_written_with_the_logits_it_had(name, tmp_path):
    """Mixtures of experts are renamed when they are loaded, and named as before when they are written."""
    torch.manual_seed(0)
    build_small(name).save_pretrained(tmp_path / "start")
    trained = load_base(tmp_path / "start").eval()
    with torch.no_grad():
        for weight in trained.parameters():
            weight.add_(0.01 * torch.randn_like(weight))
        expected = trained(_tokens()).logits
    # DeepSpeed gathers a head that is tied to the embedding under one name.
    tied = trained.all_tied_weights_keys
    weights = {key: weight.clone() for key, weight in trained.state_dict().items() if key not in tied}
    model, share = _whole_model(trained, load_base(tmp_path / "start"), weights, "auto")
    model.save_pretrained(tmp_path / "out")
    assert share == 1.0
    written = AutoModelForCausalLM.from_pretrained(tmp_path / "out").eval()
    torch.testing.assert_close(written(_tokens()).logits, expected, rtol=0, atol=1e-5)


@pytest.fixture
def start(model_folder, tmp_path):
    return shutil.copytree(model_folder, tmp_path / "start")


def _change(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_a_head_of_other_numbers_than_the_embedding_stays_apart_whatever_the_configuration_says(
    start, inputs, train, tmp_path
):
    """Merges of adapters leave checkpoints of this kind."""
    _change(start / "config.json", tie_word_embeddings=True)
    expected = AutoModelForCausalLM.from_pretrained(start)(_tokens()).logits.flatten()
    train("run", "sft", (inputs[0], start), epochs=1)
    out = tmp_path / "run" / "out"
    written = AutoModelForCausalLM.from_pretrained(out)(_tokens()).logits.flatten()
    assert torch.cosine_similarity(written, expected, dim=0) > 0.9
    assert not json.loads((out / "config.json").read_text())["tie_word_embeddings"]


@pytest.mark.parametrize("listed", [True, False], ids=["names that transformers ignores", "names it reports"])
@pytest.mark.parametrize("shards", [False, True], ids=["one file", "shards"])
def test_weights_without_a_place_in_transformers_are_named_once_and_not_written(
    listed, shards, start, tmp_path, monkeypatch, caplog
):
    _name_unplaced.cache_clear()
    if listed:
        monkeypatch.setattr(
            "transformers.LlamaForCausalLM._keys_to_ignore_on_load_unexpected", [r"^mtp\.", "layers.[12]"]
        )
    weights = start / "model.safetensors"
    placed = load_file(weights)
    more = {"mtp.fc.weight": torch.rand(4, 4), "model.layers.2.eh_proj.weight": torch.rand(3)}
    if shards:
        save_file(more, start / "more.safetensors", {"format": "pt"})
        weights.rename(start / "placed.safetensors")
        files = dict.fromkeys(placed, "placed.safetensors") | dict.fromkeys(more, "more.safetensors")
        (start / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": files}))
    else:
        save_file(placed | more, weights, {"format": "pt"})
    check_checkpoint(start)
    export_model(start, tmp_path / "exported", "card")
    [said] = caplog.messages
    assert "no place for 2 of the model's weights" in said
    assert said.endswith("lacks them: model.layers.2.eh_proj.weight, mtp.fc.weight")
    assert load_file(tmp_path / "exported" / "model.safetensors").keys() == placed.keys()


def test_the_tokenizer_s_files_are_copied(start, inputs, train, tmp_path):
    """transformers 5 would write the tokenizer in its own form, which programs with transformers 4 misread."""
    _change(start / "tokenizer_config.json", additional_special_tokens=["<|end|>"])
    (start / "special_tokens_map.json").write_text('{"eos_token": "<|end|>"}\n')
    train("run", "sft", (inputs[0], start), epochs=1)
    out = tmp_path / "run" / "out"
    export_model(out, tmp_path / "exported", "card")
    for folder in (out, tmp_path / "exported"):
        for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja"):
            assert (folder / name).read_bytes() == (start / name).read_bytes(), name
        assert AutoTokenizer.from_pretrained(folder).chat_template
