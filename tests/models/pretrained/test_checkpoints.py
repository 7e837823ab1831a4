"""Checkpoints as hubs have them: each works, or there is one message that says what is wrong and what to do."""

import hashlib
import json
import shutil
from types import SimpleNamespace

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from iterpref_core.models.inference.backend import Request, Sampling
from iterpref_core.models.inference.transformers_model import TransformersModel
from iterpref_core.models.pretrained.checkpoints import ModelSource, locate_model, pin_model, write_pointer
from iterpref_core.models.pretrained.fingerprint import model_fingerprint
from iterpref_core.models.pretrained.weights import check_checkpoint, load_model
from iterpref_core.records import ModelError, PromptFormat

WEIGHTS = "model.safetensors"


@pytest.fixture
def folder(word_model, tmp_path):
    """A checkpoint that is whole, to be damaged."""
    shutil.copytree(word_model, tmp_path / "model")
    return tmp_path / "model"


def removes(name):
    return lambda folder: (folder / name).unlink()


def writes(name, text):
    def damage(folder):
        (folder / name).write_text(text)

    return damage


def cuts(name):
    def damage(folder):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) // 2])

    return damage


def says(name, **values):
    """Of a JSON file; None takes a key away."""

    def damage(folder):
        content = json.loads((folder / name).read_text("utf-8")) | values
        kept = {key: value for key, value in content.items() if value is not None}
        (folder / name).write_text(json.dumps(kept))

    return damage


def lacks(weight):
    def damage(folder):
        weights = load_file(folder / WEIGHTS)
        del weights[weight]
        save_file(weights, folder / WEIGHTS, {"format": "pt"})

    return damage


def holds(number):
    def damage(folder):
        weights = load_file(folder / WEIGHTS)
        weights["model.layers.1.mlp.up_proj.weight"][3, 5] = number
        save_file(weights, folder / WEIGHTS, {"format": "pt"})

    return damage


def shards(folder):
    AutoModelForCausalLM.from_pretrained(folder).save_pretrained(folder, max_shard_size="20KB")
    (folder / WEIGHTS).unlink(missing_ok=True)


def pickles(folder, **more):
    torch.save({**load_file(folder / WEIGHTS), **more}, folder / "pytorch_model.bin")
    (folder / WEIGHTS).unlink()


class RunsWhenUnpickled:
    """What nobody shall run."""

    def __reduce__(self):
        return pytest.fail, ("a checkpoint's code was run",)


def brings_code(**values):
    def damage(folder):
        for name in ("configuration_own.py", "modeling_own.py"):
            (folder / name).write_text("raise SystemExit('a checkpoint\\'s code was run')\n")
        own = {"AutoConfig": "configuration_own.Own", "AutoModelForCausalLM": "modeling_own.Own"}
        says("config.json", auto_map=own, **values)(folder)

    return damage


def is_another(config, **sizes):
    def damage(folder):
        getattr(transformers, config)(**sizes).save_pretrained(folder)

    return damage


NO_SYSTEM = (
    "{% if messages[0].role == 'system' %}{{ raise_exception('no system turn') }}{% endif %}"
    "{% for message in messages %}{{ message.content }} {% endfor %}"
)
SIZES = {"vocab_size": 4, "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}

KINDS = {
    "no head": (lacks("lm_head.weight"), r"lacks 1 .*\(lm_head\.weight\).* random .*tie_word_embeddings"),
    "no weight": (lacks("model.norm.weight"), r"lacks 1 .*\(model\.norm\.weight\).* download the checkpoint again"),
    "NaN": (holds(float("nan")), r"1 of the 2,048 numbers in model\.layers\.1\.mlp\.up_proj\.weight are NaN"),
    "half a file": (cuts(WEIGHTS), r"no usable weights \(.*not fully covered\); .*download the checkpoint again"),
    "no file": (removes(WEIGHTS), r"no usable weights \(Error no file named model\.safetensors"),
    "a pickle with code": (
        lambda folder: pickles(folder, a=RunsWhenUnpickled()),
        r"no usable weights \(.*Weights only load failed",
    ),
    "no tokenizer": (removes("tokenizer.json"), "no usable tokenizer .*; "),
    "no end token": (says("tokenizer_config.json", eos_token=None), "no end token.* eos_token in tokenizer_config"),
    "template raises": (
        writes("chat_template.jinja", "{{ raise_exception('a system turn first') }}"),
        r"no usable chat template \(a system turn first\); correct it",
    ),
    "template is deaf": (writes("chat_template.jinja", "<user>"), r"leaves the message out; .*model\.prompt: plain"),
    "no config": (removes("config.json"), r"holds no model \(no config\.json\); give a"),
    "broken config": (writes("config.json", "{"), r"no usable config\.json \(.*not a valid JSON file"),
    "unknown type": (
        says("config.json", model_type="own"),
        r"no usable config\.json \(.*model type `own` but Transformers does not",
    ),
    "own code": (brings_code(model_type="own"), r"no usable config\.json \(.*custom code"),
    "adapters of another kind": (
        writes("adapter_config.json", '{"peft_type": "IA3"}'),
        "'IA3'; only LORA is read here",
    ),
    "adapters without a base": (writes("adapter_config.json", '{"peft_type": "LORA"}'), "names no base; write its fol"),
    "adapters of no base here": (
        writes("adapter_config.json", '{"peft_type": "LORA", "base_model_name_or_path": "/no/base"}'),
        r"the base of these adapters \(base_model_name_or_path\): /no/base: no such folder",
    ),
    "broken adapters": (writes("adapter_config.json", "{"), r"no usable adapter_config\.json"),
    "encoder": (is_another("BertConfig", **SIZES), "'bert' .* is not a decoder; name a causal language model"),
    "with a decoder class": (is_another("BartConfig", vocab_size=4), "'bart' .* is not a decoder; name a causal"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_cannot_be_used_is_one_message_that_says_what_to_do(kind, folder):
    damage, message = KINDS[kind]
    damage(folder)
    with pytest.raises(ModelError, match=message) as caught:
        load_model(check_checkpoint(folder))
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "kind",
    [
        removes("generation_config.json"),
        shards,
        pickles,
        brings_code(),
        writes("chat_template.jinja", NO_SYSTEM),
    ],
    ids=["no generation config", "shards", "a pickle of weights", "code beside a known type", "no system turn"],
)
def test_what_can_be_used_answers_as_the_model_does(kind, folder, word_model):
    kind(folder)
    assert check_checkpoint(folder, PromptFormat(template="plain")) == check_checkpoint(folder) == folder
    given, original = load_model(folder), load_model(word_model)
    tokens = torch.tensor([[2, 3, 2]])
    assert torch.equal(given(tokens).logits, original(tokens).logits)
    assert TransformersModel(folder, 2, bf16=False).generate([Request("return x", 1)], Sampling(0.0, 4))


def test_a_head_that_is_the_embedding_is_not_missed(folder):
    lacks("lm_head.weight")(folder)
    says("config.json", tie_word_embeddings=True)(folder)
    model = load_model(check_checkpoint(folder))
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight


def commit_of(folder):
    """The commit that stands for a folder."""
    return hashlib.sha1(str(folder).encode()).hexdigest()


def keep_model(monkeypatch, cache, name, **folders):
    """Keep folders in the hub's cache, each under its branch or tag, and have the hub's library ask the cache alone."""
    kept = cache / f"models--{name.replace('/', '--')}"
    for revision, folder in folders.items():
        shutil.copytree(folder, kept / "snapshots" / commit_of(folder))
        (kept / "refs").mkdir(exist_ok=True)
        (kept / "refs" / revision).write_text(commit_of(folder))
    for setting, value in (("HF_HUB_CACHE", str(cache)), ("HF_HUB_OFFLINE", True)):
        monkeypatch.setattr(f"huggingface_hub.constants.{setting}", value)


def test_a_hub_id_is_the_commit_of_its_revision(folder, word_model, tmp_path, monkeypatch):
    shards(folder)
    holds(0.5)(copy := shutil.copytree(word_model, tmp_path / "other"))
    keep_model(monkeypatch, tmp_path / "cache", "org/tiny", main=folder, v2=copy)
    main, other = check_checkpoint("org/tiny"), check_checkpoint("org/tiny@v2")
    assert (main, other) == (f"org/tiny@{commit_of(folder)}", f"org/tiny@{commit_of(copy)}")
    weights = [load_model(model).state_dict()["model.layers.1.mlp.up_proj.weight"][3, 5] for model in (main, other)]
    assert weights[0] != weights[1] == 0.5
    assert model_fingerprint(main) != model_fingerprint(other)
    with pytest.raises(ModelError, match=r"'org/tiny@v3'.*correct the name"):
        check_checkpoint("org/tiny@v3")


def test_the_hub_is_asked_for_the_commit_if_it_can_be_reached(monkeypatch):
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", lambda *_, **__: None)
    found = SimpleNamespace(resolved="0a1b")
    monkeypatch.setattr("huggingface_hub.HfApi.resolve_revision", lambda *_, **__: found)
    assert pin_model("org/tiny@v2") == ModelSource("org/tiny", "0a1b")


def test_what_is_spelled_as_a_folder_is_no_hub_id():
    with pytest.raises(ModelError, match="no such folder"):
        locate_model("./absent")


def test_a_pointer_from_another_machine_names_the_place_that_is_not_here(tmp_path):
    """Its fingerprint was that of a hub id."""
    write_pointer(tmp_path, ModelSource("/home/me/base", digest="1"))
    with pytest.raises(ModelError, match="weights are at /home/me/base, which is not on this machine; put the model"):
        model_fingerprint(tmp_path)


@pytest.mark.parametrize(
    ("setting", "value"), [("HF_HUB_OFFLINE", True), ("ENDPOINT", "http://127.0.0.1:9")], ids=["told", "found out"]
)
def test_a_hub_model_that_cannot_be_had_is_named_with_the_remedy(tmp_path, monkeypatch, setting, value):
    monkeypatch.setattr(f"huggingface_hub.constants.{setting}", value)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match=r"model 'no-such-org/no-such-model'.*params\.yaml"):
        pin_model("no-such-org/no-such-model")


def test_adapters_on_the_hub_are_told_with_the_remedy(folder, tmp_path, monkeypatch):
    writes("adapter_config.json", "{}")(folder)
    keep_model(monkeypatch, tmp_path / "cache", "org/adapters", main=folder)
    with pytest.raises(ModelError, match=r"holds LoRA adapters .* download them"):
        check_checkpoint("org/adapters")
