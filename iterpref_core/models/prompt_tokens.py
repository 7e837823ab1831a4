"""Framed tokens: the token ids that a model reads before it answers, and those that end its answer."""

import string
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from transformers import GenerationConfig, PreTrainedTokenizerBase

from iterpref_core.models.chat_template import AnswerFrame
from iterpref_core.inference.backend import Request
from iterpref_core.models.tokenizers import continuing_engine
from iterpref_core.prompt_messages import prompt_text

_WORDS = ("def", "import", "from", "class", "```", "Here", *string.ascii_letters, *string.digits, *string.punctuation)
"""Beginnings of answers, with which the place to cut an opening is found."""
_LONGEST_LEAD = 8
"""Characters that a token may reach back into an opening."""


@dataclass(frozen=True)
class Asked:
    """An opening as token ids.

    Attributes:
        ids: the token ids that a model reads.
        lead: the last characters of the opening that are not in `ids`: the answer's first token has them.
    """

    ids: list[int]
    lead: str = ""


def encode_openings(frame: AnswerFrame, openings: Sequence[str]) -> list[Asked]:
    """Return the token ids of openings from `AnswerFrame.open`, cut where the answer's first token begins.

    A tokenizer splits the opening and the answer as one text. Byte-level BPE does this at the end of Llama 2's opening,
    where the model has always read the first line and never the second:

        [INST] Add one. [/INST] def   ->   … "/INST" "]" " def"
        [INST] Add one. [/INST]       ->   … "/INST" "]" " "

    The opening is then cut before the blank, which becomes the `lead` of the answer.
    """
    tokenizer = frame.tokenizer
    opened = _encode(tokenizer, openings, special=frame.plain)
    if not tokenizer.is_fast:
        return [Asked(ids) for ids in opened]
    word = _word_that_reaches_back(frame)
    begun = [opening + word for opening in openings]
    tried = _encode(tokenizer, begun, special=frame.plain)
    asked = []
    for opening, ids, ids_with_word in zip(openings, opened, tried, strict=True):
        asked.append(_cut(tokenizer, word, opening, ids, ids_with_word))
    return asked


def encode_requests(frame: AnswerFrame, requests: Sequence[Request]) -> list[Asked]:
    """Return the token ids for each request; a verbatim one is encoded whole, as vLLM encodes a prompt."""
    asked: dict[Request, Asked] = {}
    framed = [request for request in requests if not request.verbatim]
    openings = [frame.open(request.prompt, request.system) for request in framed]
    asked.update(zip(framed, encode_openings(frame, openings), strict=True))
    first = frame.tokenizer.bos_token or ""
    for opened in (False, True):
        # "<s>[INST] …" has its first token already, and gets no second one.
        verbatim = []
        for request in requests:
            begins = bool(first) and prompt_text(request.prompt).startswith(first)
            if request.verbatim and begins == opened:
                verbatim.append(request)
        texts = [prompt_text(request.prompt) for request in verbatim]
        rows = _encode(frame.tokenizer, texts, special=not opened)
        for request, ids in zip(verbatim, rows, strict=True):
            asked[request] = Asked(ids)
    return [asked[request] for request in requests]


def end_tokens(frame: AnswerFrame, suggested: GenerationConfig) -> set[int]:
    """Return the tokens that end an answer: the frame's, the tokenizer's, and those of a generation config."""
    configured = suggested.eos_token_id
    ends = list(configured) if isinstance(configured, list) else [configured]
    ends.append(frame.tokenizer.eos_token_id)
    ends.append(frame.end.token)
    return {token for token in ends if token is not None}


def read_answer(text: str, asked: Asked, frame: AnswerFrame) -> str:
    """Return an answer without the frame's texts; the end token and all behind it are gone already."""
    answer = text.removeprefix(asked.lead)
    return answer.removesuffix(frame.end.text) if frame.end.token is not None else answer


def _encode(
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
    for text, ids, added in zip(texts, rows, encoded["special_tokens_mask"], strict=True):
        written = bool(tokenizer.eos_token) and text.endswith(tokenizer.eos_token)
        if special and not written and ids and ids[-1] == end and added[-1]:
            ids.pop()
    return rows


@lru_cache(maxsize=8)
def _word_that_reaches_back(frame: AnswerFrame) -> str:
    """Return the word before which an opening of this frame is cut the earliest: of two, a tokenizer may join one."""
    opening = frame.open("x")
    (ids,) = _encode(frame.tokenizer, [opening], special=frame.plain)
    leads: dict[str, int] = {}
    for word in _WORDS:
        (tried,) = _encode(frame.tokenizer, [opening + word], special=frame.plain)
        asked = _cut(frame.tokenizer, word, opening, ids, tried)
        leads[word] = len(asked.lead)
    return max(leads, key=leads.__getitem__)


def _cut(
    tokenizer: PreTrainedTokenizerBase,
    word: str,
    opening: str,
    ids: list[int],
    tried: list[int],
) -> Asked:
    """Return an opening cut where the first token of the word begins that was tried behind it."""
    if tried[: len(ids)] == ids:
        return Asked(ids)
    engine = continuing_engine(tokenizer)
    # With "… [/INST] " and the word "def": the last token of all is " def", which is what " " + "def" is encoded to.
    # So " " is the lead, and the tokens before " def" are read by the model.
    for length in range(min(_LONGEST_LEAD, len(opening)) + 1):
        lead = opening[len(opening) - length :]
        rest = engine.encode(lead + word, add_special_tokens=False).ids
        if tried[len(tried) - len(rest) :] == rest:
            return Asked(tried[: len(tried) - len(rest)], lead)
    return Asked(ids)
