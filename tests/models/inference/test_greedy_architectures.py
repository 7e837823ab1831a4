"""Causal architectures answer greedily as an argmax loop does, alone and in a padded batch; encoders are refused."""

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from iterpref_core.models.inference.backend import Request, Sampling
from iterpref_core.models.inference.transformers_model import TransformersModel
from iterpref_core.models.pretrained.tokenizers import load_tokenizer
from iterpref_core.models.pretrained.weights import load_model
from iterpref_core.records import PromptFormat
from tests.architectures import build_small

_QUICK = (
    "bart", "gemma3_text", "gpt2", "lfm2", "mamba", "mixtral", "openai-gpt", "opt", "qwen2", "qwen3_next",
    "rwkv",
)  # fmt: skip
"""One of each kind: encoder and decoder, windows, learned positions, states, experts, without a cache. Llama and other
kinds of windows are in `test_generation`."""
_NEW = 8
_PROMPTS = ["5 17 99 3 64", "8 8 40", "101 77 23 54 90 31 12 66 70 45 38"]  # of different lengths: a batch pads them


def _tokenizer():
    """One word a token, so that text and tokens are the same."""
    words = {"<pad>": 0, "1": 1, "</s>": 2} | {str(number): number for number in range(3, 128)}
    engine = Tokenizer(models.WordLevel(words, unk_token="</s>"))
    engine.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=engine, pad_token="<pad>", eos_token="</s>")


def _argmax_loop(model, tokenizer, prompt):
    """The whole text anew for every token: without a cache, a batch or padding."""
    tokens = tokenizer(prompt + "\n")["input_ids"]  # as `render_prompt` ends a plain one
    answer = []
    with torch.inference_mode():
        while len(answer) < _NEW and tokenizer.eos_token_id not in answer:
            scores = model(input_ids=torch.tensor([tokens + answer]), use_cache=False).logits[0, -1]
            answer.append(int(scores.argmax()))
    return str(tokenizer.decode(answer, skip_special_tokens=True))


@pytest.mark.parametrize("name", [*_QUICK, pytest.param("smollm2", marks=pytest.mark.slow)])
def test_greedy_answers_are_those_of_an_argmax_loop(name, tmp_path, request):
    if name == "smollm2":
        folder = request.getfixturevalue(name)
        model = load_model(folder).float().eval()
    else:
        folder, model = tmp_path, build_small(name).eval()
        for part in (model, _tokenizer()):
            part.save_pretrained(folder)
    backend = TransformersModel(folder, batch_size=len(_PROMPTS), prompt=PromptFormat(template="plain"), bf16=False)
    requests, greedy = [Request(prompt, seed=0) for prompt in _PROMPTS], Sampling(0.0, _NEW)
    expected = [_argmax_loop(model, load_tokenizer(folder), prompt) for prompt in _PROMPTS]

    assert [backend.generate([request], greedy)[0].text for request in requests] == expected
    assert [answer.text for answer in backend.generate(requests, greedy)] == expected
