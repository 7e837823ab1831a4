"""Generation in this process: greedy is an argmax, whoever is in the batch; and the precision it computes in."""

import json

import pytest
import torch
import transformers
from transformers import AutoModelForCausalLM, GenerationConfig

from iterpref_core.models.inference.backend import Request, Sampling, before_stop
from iterpref_core.models.inference.backend_factory import model_identity
from iterpref_core.models.inference.transformers_model import TransformersModel
from iterpref_core.models.pretrained import weights
from iterpref_core.models.pretrained.chat_template import ChatTemplate
from iterpref_core.nanolab.embedded_models import train_tokenizer
from iterpref_core.records import PromptFormat
from tests.settings import PARAMS, changed

PROMPTS = (
    "add one",
    "sort the numbers of the list",
    "x",
    "join all letters",
    "y",
    "reverse",
    "the longest word",
    "a b c",
)
LIMIT = 24
SHAPE = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 256,
    "initializer_range": 0.3,
    "bos_token_id": None,
    "tie_word_embeddings": False,
}


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(["add one to each number of the list", "def solve(x):\n    return x + 1\n"], 300)


def save(tokenizer, folder, config="LlamaConfig", **more):
    """A random model of which every twentieth token ends the answer, so that rows end at very different times."""
    torch.manual_seed(1)
    shape = getattr(transformers, config)(
        **SHAPE, **more, vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id
    )
    model = AutoModelForCausalLM.from_config(shape)
    model.generation_config.eos_token_id = [tokenizer.eos_token_id, *range(5, len(tokenizer), 20)]
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def decoding_loop(model, prompt, tokenizer, noisy):
    """The largest of `noisy(logits)`, token by token, as plain as it can be: no cache, no batch."""
    ids = tokenizer(ChatTemplate(tokenizer).render_prompt(prompt), add_special_tokens=False)["input_ids"]
    new = []
    while len(new) < LIMIT and not (new and new[-1] in model.generation_config.eos_token_id):
        with torch.no_grad():
            new.append(int(noisy(model(torch.tensor([ids + new])).logits[0, -1]).argmax()))
    return new


def spoken(folder, tokens, tokenizer):
    """The text of an answer: the token that ends it is none of it, whatever token that is."""
    ends = GenerationConfig.from_pretrained(folder).eos_token_id
    return str(tokenizer.decode(tokens[:-1] if tokens[-1] in ends else tokens, skip_special_tokens=True))


OPINIONS = {
    "repetition_penalty": 3.0,
    "no_repeat_ngram_size": 1,
    "bad_words_ids": [[number] for number in range(6, 60)],
    "suppress_tokens": [*range(60, 120)],
    "min_length": 500,
    "num_beams": 4,
    "guidance_scale": 3.0,
    "sequence_bias": [[[8], 50.0]],
    "do_sample": True,
    "temperature": 0.1,
    "top_k": 2,
    "stop_strings": ["a", "e", "o"],
    "max_new_tokens": 2,
    "cache_implementation": "static",
    "return_dict_in_generate": True,
}


@pytest.fixture(scope="module")
def opinionated(tokenizer, tmp_path_factory):
    """A checkpoint that suggests how it is to be asked."""
    folder = save(tokenizer, tmp_path_factory.mktemp("opinionated"))
    file = folder / "generation_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | OPINIONS))
    return folder


def test_a_sample_is_drawn_at_a_temperature_with_random_numbers_of_its_own_and_by_nothing_else(opinionated, tokenizer):
    backend = TransformersModel(opinionated, len(PROMPTS), bf16=False)
    requests = [Request(prompt, seed) for seed, prompt in enumerate(PROMPTS)]
    answers = backend.generate(requests, Sampling(0.7, LIMIT))
    model = AutoModelForCausalLM.from_pretrained(opinionated).eval()
    for request, answer in zip(requests, answers, strict=True):
        own = torch.Generator().manual_seed(request.seed)

        def noisy(logits, own=own):
            uniform = torch.rand(len(logits), generator=own).clamp(1e-20, 1 - 1e-7)
            return logits.float() / 0.7 - torch.log(-torch.log(uniform))

        tokens = decoding_loop(model, request.prompt, tokenizer, noisy)
        assert answer.text == spoken(opinionated, tokens, tokenizer)
    assert len({answer.completion_tokens for answer in answers}) > 3


@pytest.mark.parametrize("config", ["opinionated", "MistralConfig", "Gemma2Config"])
def test_greedy_is_an_argmax_for_rows_that_end_at_different_times_whatever_a_checkpoint_suggests(
    config, opinionated, tokenizer, tmp_path
):
    folder = opinionated
    if config != "opinionated":
        folder = save(tokenizer, tmp_path, config, sliding_window=16)
    backend = TransformersModel(folder, len(PROMPTS), bf16=False)
    answers = backend.generate([Request(prompt, 0) for prompt in PROMPTS], Sampling(0.0, LIMIT))
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    expected = [decoding_loop(model, prompt, tokenizer, lambda logits: logits) for prompt in PROMPTS]
    assert [answer.completion_tokens for answer in answers] == [len(tokens) for tokens in expected]
    assert len({len(tokens) for tokens in expected}) > 3, "rows that end together prove nothing"
    assert [answer.text for answer in answers] == [spoken(folder, tokens, tokenizer) for tokens in expected]


@pytest.mark.parametrize("config", ["LlamaConfig", pytest.param("Qwen3NextConfig", marks=pytest.mark.slow)])
def test_a_row_ends_before_an_end_string_whoever_is_in_its_batch(config, tokenizer, tmp_path):
    layers = {"layer_types": ["linear_attention", "full_attention"], "num_experts": 2, "num_experts_per_tok": 1}
    more = {} if config == "LlamaConfig" else layers
    folder = save(tokenizer, tmp_path, config, **more)
    backend = TransformersModel(folder, len(PROMPTS), bf16=False)
    requests = [Request(prompt, 0) for prompt in PROMPTS]
    whole = backend.generate(requests, Sampling(0.0, LIMIT))
    stops = tuple(answer.text[len(answer.text) // 2 :][:2] for answer in whole[::2] if len(answer.text) > 9)
    answers = backend.generate(requests, Sampling(0.0, LIMIT, stops))
    for answer, before in zip(answers, whole, strict=True):
        assert answer.text == before_stop(before.text, stops)
        assert answer.truncated == (before.truncated and answer.text == before.text)
    assert sum(answer != before for answer, before in zip(answers, whole, strict=True)) > 2


def test_a_raw_prompt_is_all_that_is_read(opinionated, tokenizer):
    backend = TransformersModel(opinionated, 4, bf16=False)
    rendered = ChatTemplate(tokenizer).render_prompt("add one")
    requests = [Request("add one", 0), Request(rendered, 0, raw=True), Request("add one", 0, raw=True)]
    chat, raw, bare = backend.generate(requests, Sampling(0.0, LIMIT))
    assert chat == raw
    assert bare.prompt_tokens == len(tokenizer("add one")["input_ids"]) < chat.prompt_tokens


@pytest.mark.parametrize(
    ("capabilities", "chosen"),
    [
        ({"cpu_name": "AMD EPYC", "avx512_bf16": True, "amx_bf16": False}, "bfloat16"),
        ({"cpu_name": "Intel Xeon", "avx512_bf16": True, "amx_bf16": True}, "bfloat16"),
        ({"cpu_name": "Intel Xeon", "avx512_bf16": True, "amx_bf16": False}, "float32"),
        ({"cpu_name": "Intel Xeon", "avx512_bf16": True, "amx_bf16": True, "avx512_f": True}, "float32"),
        ({"architecture": "arm64", "neon": True, "bf16": True}, "bfloat16"),
        ({"architecture": "x86_64", "avx512_f": True, "avx512_bf16": False, "amx_bf16": False}, "float32"),
        ({"architecture": "arm64", "neon": True, "bf16": False}, "float32"),
    ],
)
def test_a_cpu_computes_in_what_it_computes_faster(capabilities, chosen, monkeypatch, word_model):
    dtype_chosen = getattr(torch, chosen)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")  # of AVX-512 nothing
    for saved in (torch.float32, torch.bfloat16):
        assert weights.generation_dtype("auto", saved) == dtype_chosen
    assert weights.uses_bf16("auto", "cpu") == (chosen == "bfloat16")
    assert weights.uses_bf16("auto", "cuda")
    assert TransformersModel(word_model, 1)._model.dtype == dtype_chosen
    other = torch.float32 if chosen == "bfloat16" else torch.bfloat16
    assert TransformersModel(word_model, 1, bf16=other == torch.bfloat16)._model.dtype == other


def test_a_gpu_computes_in_what_a_checkpoint_was_saved_in(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert weights.generation_dtype("auto", torch.float16) == torch.float16
    assert weights.generation_dtype(True, torch.float16) == torch.bfloat16
    assert weights.generation_dtype(False, torch.float16) == torch.float32


def test_answers_in_another_precision_are_others(word_model):
    own, other, served = (
        model_identity(word_model, PromptFormat(), changed(PARAMS.inference, **values))
        for values in ({"bf16": False}, {"bf16": True}, {"backend": "vllm"})
    )
    assert own == served
    assert other == f"{own} bfloat16"
