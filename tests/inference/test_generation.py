"""Generation in this process: greedy is an argmax, whoever leaves the batch; and the precision it computes in."""

from pathlib import Path

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    LlamaConfig,
    MistralConfig,
    PreTrainedConfig,
    PreTrainedTokenizerBase,
)

from iterpref_core.config import load_params
from iterpref_core.inference.backend import Request, Sampling
from iterpref_core.inference.backend_factory import model_identity
from iterpref_core.inference.local import precision
from iterpref_core.inference.local.growing_cache import can_drop_rows, growing_cache
from iterpref_core.inference.local.transformers_backend import TransformersBackend
from iterpref_core.inference.prompts import render_prompt
from iterpref_core.nanolab.byte_bpe import train_tokenizer
from tests.settings import ROOT

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
LIMIT = 40
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
def tokenizer() -> PreTrainedTokenizerBase:
    return train_tokenizer(["add one to each number of the list", "def solve(x):\n    return x + 1\n"], 300)


def save(config: PreTrainedConfig, tokenizer: PreTrainedTokenizerBase, folder: Path) -> Path:
    """A random model of which every twentieth token ends the answer, so that rows end at very different times."""
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_config(config)
    model.generation_config.eos_token_id = [tokenizer.eos_token_id, *range(5, len(tokenizer), 20)]
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def argmax_loop(folder: Path, prompt: str, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Greedy decoding as plain as it can be: no cache, no batch."""
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    ids = tokenizer(render_prompt(tokenizer, prompt), add_special_tokens=False)["input_ids"]
    new: list[int] = []
    while len(new) < LIMIT and not (new and new[-1] in model.generation_config.eos_token_id):
        with torch.no_grad():
            new.append(int(model(torch.tensor([ids + new])).logits[0, -1].argmax()))
    return new


@pytest.mark.parametrize("config", [LlamaConfig, MistralConfig, Gemma2Config])
def test_greedy_is_an_argmax_for_rows_that_end_at_different_times(
    config: type[PreTrainedConfig], tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    window = {} if config is LlamaConfig else {"sliding_window": 16}
    shape = config(**SHAPE, **window, vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id)
    folder = save(shape, tokenizer, tmp_path)
    backend = TransformersBackend(folder, len(PROMPTS), bf16=False)
    answers = backend.generate([Request(prompt, 0) for prompt in PROMPTS], Sampling(0.0, LIMIT))
    expected = [argmax_loop(folder, prompt, tokenizer) for prompt in PROMPTS]
    assert [answer.completion_tokens for answer in answers] == [len(tokens) for tokens in expected]
    assert len({len(tokens) for tokens in expected}) > 3, "rows that end together prove nothing"
    texts = [tokenizer.decode(tokens, skip_special_tokens=True) for tokens in expected]
    assert [answer.text for answer in answers] == texts
    assert can_drop_rows(growing_cache(shape))


def test_a_sample_goes_on_with_its_own_random_numbers_when_others_leave(
    tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    config = LlamaConfig(**SHAPE, vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id)
    folder = save(config, tokenizer, tmp_path)
    requests = [Request(prompt, seed) for seed, prompt in enumerate(PROMPTS)]
    together, alone = (
        TransformersBackend(folder, size, bf16=False).generate(requests, Sampling(1.0, LIMIT)) for size in (8, 1)
    )
    assert together == alone
    assert len({answer.completion_tokens for answer in together}) > 3


@pytest.mark.parametrize(("speedup", "chosen"), [(2.0, torch.bfloat16), (0.5, torch.float32)])
def test_a_cpu_computes_in_what_it_computes_faster(
    speedup: float,
    chosen: torch.dtype,
    monkeypatch: pytest.MonkeyPatch,
    word_model: Path,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(precision, "_cpu_bf16_speedup", lambda: speedup)
    assert (
        precision.generation_dtype("auto", torch.float32)
        == precision.generation_dtype("auto", torch.bfloat16)
        == chosen
    )
    assert precision.uses_bf16("auto", "cpu") == (chosen is torch.bfloat16)
    assert precision.uses_bf16("auto", "cuda")
    for choice, dtype in ((True, torch.bfloat16), (False, torch.float32)):
        assert precision.generation_dtype(choice, torch.float32) == dtype
        assert TransformersBackend(word_model, 1, bf16=choice)._model.dtype == dtype
    assert TransformersBackend(word_model, 1)._model.dtype == chosen


def test_a_gpu_computes_in_what_a_checkpoint_was_saved_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert precision.generation_dtype("auto", torch.float16) == torch.float16
    assert precision.generation_dtype(True, torch.float16) == torch.bfloat16
    assert precision.generation_dtype(False, torch.float16) == torch.float32


def test_answers_in_another_precision_are_others(word_model: Path) -> None:
    params = load_params(ROOT / "params.yaml").inference
    own, other = (
        model_identity(word_model, "auto", params.model_copy(update={"bf16": bf16})) for bf16 in (False, True)
    )
    assert own == model_identity(word_model, "auto", params.model_copy(update={"backend": "vllm"}))
    assert other == f"{own} bfloat16"


def test_the_speed_of_both_precisions_is_measured() -> None:
    assert precision._cpu_bf16_speedup() > 0
