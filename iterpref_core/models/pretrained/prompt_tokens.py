"""Make the token ids of a prompt, and find the ends of answers."""

from collections.abc import Sequence
from dataclasses import dataclass

from transformers import GenerationConfig, PreTrainedTokenizerBase

from .chat_template import ChatTemplate
from .tokenizers import text_engine

_WORD = "def"
"""The beginning of an answer, to find the place to cut a prompt."""


@dataclass(frozen=True)
class EncodedPrompt:
    """A prompt as token ids.

    Attributes:
        ids: the token ids that a model reads.
        healing_prefix: the last characters of the prompt that are not in `ids`: the answer's first token has them.
    """

    ids: list[int]
    healing_prefix: str = ""


def encode_prompts(template: ChatTemplate, prompts: Sequence[str]) -> list[EncodedPrompt]:
    """Return the token ids of prompts from `ChatTemplate.render_prompt`, cut where the answer's first token begins.

    A tokenizer splits the prompt and the answer as one text. Byte-level BPE does this at the end of Llama 2's prompt,
    where the model has always read the first line and never the second:

        [INST] Add one. [/INST] def   ->   … "/INST" "]" " def"
        [INST] Add one. [/INST]       ->   … "/INST" "]" " "

    The prompt is then cut before the blank, which becomes the `healing_prefix` of the answer. A text that is completed
    stays whole: of "return" some answer would make "returns", a token of its own.
    """
    tokenizer = template.tokenizer
    if not tokenizer.is_fast or template.completes:
        return [EncodedPrompt(ids) for ids in encode_texts(tokenizer, prompts, special=template.plain)]
    # The two programs of a pair have one prompt.
    different = list(dict.fromkeys(prompts))
    begun = [prompt + _WORD for prompt in different]
    encoded = encode_texts(tokenizer, begun, special=template.plain)
    encodings = text_engine(tokenizer, continues=False).encode_batch(begun, add_special_tokens=False)
    encoded_prompts = {}
    for prompt, ids, encoding in zip(different, encoded, encodings, strict=True):
        # The last token of "… [/INST] def" begins one character before the end of the prompt.
        place = next(number for number, (_, end) in enumerate(encoding.offsets) if end > len(prompt))
        of_answer = len(encoding) - place
        encoded_prompts[prompt] = EncodedPrompt(ids[:-of_answer], prompt[encoding.offsets[place][0] :])
    return [encoded_prompts[prompt] for prompt in prompts]


def end_tokens(template: ChatTemplate, suggested: GenerationConfig) -> set[int]:
    """Return the tokens that end an answer: the template's, the tokenizer's, and a generation config's."""
    configured = suggested.eos_token_id
    ends = configured if isinstance(configured, list) else [configured]
    return {*ends, template.tokenizer.eos_token_id, template.end.token} - {None}


def read_answer(text: str, asked: EncodedPrompt, template: ChatTemplate) -> str:
    """Return an answer without the template's texts; the end token and all text after it are gone already."""
    answer = text.removeprefix(asked.healing_prefix)
    return answer.removesuffix(template.end.text) if template.end.token is not None else answer


def encode_texts(
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    *,
    special: bool,
) -> list[list[int]]:
    """Return token ids, without an end token that a tokenizer appends to every text: the text goes on.

    Args:
        tokenizer: the model's.
        texts: to encode; special tokens that are spelled out in them count.
        special: true if the tokenizer adds its special tokens; a chat template has written them already.
    """
    if not texts:
        return []
    encoded = tokenizer(list(texts), add_special_tokens=special, return_special_tokens_mask=True)
    end = tokenizer.eos_token_id
    rows: list[list[int]] = encoded["input_ids"]
    # Some tokenizers append their end token to every text.
    for text, ids, added in zip(texts, rows, encoded["special_tokens_mask"], strict=True):
        written = bool(tokenizer.eos_token) and text.endswith(tokenizer.eos_token)
        if special and not written and ids and ids[-1] == end and added[-1]:
            ids.pop()
    return rows
