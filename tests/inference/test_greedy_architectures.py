"""Every causal architecture that can be built small answers greedily as an argmax loop does, or refuses to."""

from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from iterpref_core.errors import ModelError
from iterpref_core.inference.backend import Request, Sampling
from iterpref_core.inference.local.transformers_backend import TransformersBackend
from tests.architectures import ARCHITECTURES, build_small

_REFUSED = {
    "depends on more than the text before it": (
        "bert", "bert-generation", "big_bird", "camembert", "cpmant", "data2vec-text", "electra", "ernie",
        "megatron-bert", "rembert", "roberta", "roberta-prelayernorm", "roc_bert", "roformer", "xlm", "xlm-roberta",
        "xlm-roberta-xl",
    ),
    "cannot generate text": ("qwen4_exp_text", "xlstm", "xmod"),
}  # fmt: skip
"""Why an architecture is refused, by words of the message. Qwen4's small form has no layer that counts tokens."""
_NEW = 8
_PROMPTS = ["5 17 99 3 64", "8 8 40", "101 77 23 54 90 31 12 66 70 45 38"]  # of different lengths: a batch pads them


def _tokenizer() -> PreTrainedTokenizerFast:
    """One word a token, so that text and tokens are the same."""
    words = {"<pad>": 0, "1": 1, "</s>": 2} | {str(number): number for number in range(3, 128)}
    engine = Tokenizer(models.WordLevel(words, unk_token="</s>"))
    engine.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=engine, pad_token="<pad>", eos_token="</s>")


def _argmax_loop(model: PreTrainedModel, prompt: str) -> str:
    """The whole text anew for every token: without a cache, a batch or padding."""
    tokens = [int(word) for word in prompt.split()]
    answer: list[int] = []
    while len(answer) < _NEW and 2 not in answer:
        scores = model(input_ids=torch.tensor([tokens + answer]), use_cache=False).logits[0, -1]
        answer.append(int(scores.argmax()))
    return " ".join(str(token) for token in answer if token not in {0, 2})


@pytest.mark.parametrize("name", ARCHITECTURES)
@torch.inference_mode()
def test_greedy_answers_are_those_of_an_argmax_loop(name: str, tmp_path: Path) -> None:
    model = build_small(name).eval()
    model.save_pretrained(tmp_path)
    _tokenizer().save_pretrained(tmp_path)
    reason = next((words for words, names in _REFUSED.items() if name in names), "")
    with pytest.raises(ModelError, match=reason) if reason else nullcontext():
        backend = TransformersBackend(tmp_path, batch_size=len(_PROMPTS), prompt="plain", bf16=False)
    if reason:
        return
    requests, greedy = [Request(prompt, seed=0) for prompt in _PROMPTS], Sampling(0.0, _NEW)
    expected = [_argmax_loop(model, prompt) for prompt in _PROMPTS]

    assert [backend.generate([request], greedy)[0].text for request in requests] == expected
    assert [answer.text for answer in backend.generate(requests, greedy)] == expected
