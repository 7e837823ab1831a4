"""Exported folders load by themselves and describe their content."""

import shutil
import warnings

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from iterpref_core.evaluation.sharing.export_model import export_model
from iterpref_core.nanolab.embedded_models import train_tokenizer
from iterpref_core.records import ModelError
from iterpref_core.storage.data_card import find_license


def logits(folder):
    model = AutoModelForCausalLM.from_pretrained(folder)
    return model(torch.tensor([[2, 3, 2]])).logits.detach()


def test_an_exported_folder_loads_by_itself_with_the_same_weights(word_model, tmp_path):
    out = tmp_path / "new" / "model"
    written = export_model(word_model, out, "---\nlicense: mit\n---\n# Card\n")
    names = {path.name for path in out.iterdir()}
    assert {"README.md", "config.json", "generation_config.json", "model.safetensors", "tokenizer.json"} <= names
    assert AutoTokenizer.from_pretrained(out)("return x")["input_ids"] == [2, 3]
    assert torch.equal(logits(out), logits(word_model))
    assert (out / "README.md").read_text().endswith("# Card\n")
    assert written["out"] == str(out)
    assert [path.name for path in out.parent.iterdir()] == ["model"]
    assert len({path.stat().st_mode for path in out.iterdir()}) == 1, "whoever reads the card can read the weights"


def test_an_adapter_that_merging_would_change_is_refused(tmp_path, make_model):
    tokenizer = train_tokenizer(["write f"], 300)
    model = make_model(tokenizer)
    base = AutoModelForCausalLM.from_pretrained(model)
    base.config.tie_word_embeddings = True
    base.tie_weights()
    base.save_pretrained(model)
    config = LoraConfig(r=2, target_modules=["embed_tokens"], task_type="CAUSAL_LM", init_lora_weights=False)
    with warnings.catch_warnings(action="ignore"):  # PEFT warns of it too, and merges
        adapted = get_peft_model(AutoModelForCausalLM.from_pretrained(model), config)
        adapted.peft_config["default"].base_model_name_or_path = str(model)
        adapted.save_pretrained(tmp_path / "adapter")
        said = r"adapter: merging these adapters changes the model .*without embed_tokens"
        with pytest.raises(ModelError, match=said):
            export_model(tmp_path / "adapter", tmp_path / "out", "card")
    assert not (tmp_path / "out").exists()


def test_a_model_that_cannot_be_loaded_leaves_nothing_behind(word_model, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(word_model, broken)
    (broken / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="no usable weights"):
        export_model(broken, tmp_path / "out", "card")
    assert not (tmp_path / "out").exists()


def test_the_license_is_what_the_models_own_card_says(tmp_path):
    card = tmp_path / "README.md"
    assert find_license(tmp_path, "model") is None
    for text, license in (
        ("---\nlicense: apache-2.0\ntags: [code]\n---\n# M\n", "Apache-2.0"),
        ("---\nlicense: other\nlicense_name: deepseek\n---\n", "deepseek"),
        ("---\ntags: [code]\n---\n", None),
        ("# M\n---\nlicense: mit\n---\n", None),
        ("---\nlicense: [\n---\n", None),
    ):
        card.write_text(text)
        assert find_license(tmp_path, "model") == license
    assert find_license("nobody/no-such-model", "model") is None
