"""Exchange tokens: the token ids of a prompt, and of the program that answers it with the characters of each token.

A program continues its prompt, and its error region is told by characters. Tokenizers, left to themselves, respect
neither:

- Some begin every text with a blank. After a prompt that would be a blank which nobody wrote.
- Some give a token only its visible characters (`trim_offsets`), so that indentation belongs to no token.
- Unigram models spell a run of unknown characters in bytes and give each byte the characters of the whole run, line
  ends included.
- The text of a special token becomes that token, so that a program which mentions the end token would end there.
"""

import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from operator import eq

import numpy as np
from transformers import GenerationConfig, PreTrainedTokenizerBase

from iterpref_core.models.pretrained.chat_template import ChatTemplate
from iterpref_core.models.pretrained.tokenizers import continuing_engine, reading_engine
from iterpref_core.records import Span
from iterpref_core.records.config import AnswerFormat
from iterpref_core.records.errors import ModelError
from iterpref_core.records.prompt_messages import Prompt

_WORDS = ("def", "import", "from", "class", "```", "Here", *string.ascii_letters, *string.digits, *string.punctuation)
"""Beginnings of answers, with which the place to cut a prompt is found."""
_LONGEST_HEALING_PREFIX = 8
"""Characters that a token may reach back into a prompt."""


@dataclass(frozen=True)
class EncodedPrompt:
    """A prompt as token ids.

    Attributes:
        ids: the token ids that a model reads.
        healing_prefix: the last characters of the prompt that are not in `ids`: the answer's first token has them.
    """

    ids: list[int]
    healing_prefix: str = ""


@dataclass(frozen=True)
class Exchange:
    """A prompt and the program that is to answer it.

    Attributes:
        name: the row that they are from, for messages.
        prompt: the task.
        program: the text.
    """

    name: str
    prompt: Prompt
    program: str


@dataclass(frozen=True)
class ExchangeTokens:
    """An exchange as token ids.

    Attributes:
        prompt_ids: the token ids that the model reads.
        ids: those of the answer, closed by the end of a turn.
        places: the [start, end) in the program of each of `ids`, as an array of two columns. What the template writes
            around the program has no characters there: such a token lies at one of its ends.
    """

    prompt_ids: list[int]
    ids: list[int]
    places: np.ndarray


def encode_exchanges(
    template: ChatTemplate, exchanges: Sequence[Exchange], style: AnswerFormat
) -> list[ExchangeTokens]:
    """Return the tokens of exchanges, made on all cores; nothing is cut.

    Args:
        template: the texts of the model's chat template; its tokenizer must give offsets and have an end token.
        exchanges: prompts and programs.
        style: the form of the answers.

    Raises:
        ModelError: the tokenizer gives no offsets or has no end token, or the template changes a program.
    """
    rendered = []
    for exchange in exchanges:
        try:
            rendered.append(template.render_exchange(exchange.prompt, exchange.program, style))
        except ModelError as error:
            raise ModelError(f"{exchange.name}: {error}") from None
    end = template.end
    if end.token is None and not end.text:
        raise ModelError(
            f"{template.tokenizer.name_or_path}: this tokenizer has no end token, so no model could learn where a "
            "program ends; name one as eos_token in tokenizer_config.json"
        )
    prompts = list(dict.fromkeys(each.prompt for each in rendered))
    asked = dict(zip(prompts, encode_prompts(template, prompts), strict=True))
    texts = [asked[each.prompt].healing_prefix + each.answer + end.text for each in rendered]
    encodings = continuing_engine(template.tokenizer).encode_batch(texts, add_special_tokens=False)
    tokens = []
    for exchange, each, text, encoding in zip(exchanges, rendered, texts, encodings, strict=True):
        # In the text " def f" of Llama 2's template, whose prompt ends with the blank (`healing_prefix`), the token
        # " def" has the characters 0 to 4. They are -1 to 3 of the program, and clipped to it 0 to 3.
        prefix = len(asked[each.prompt].healing_prefix)
        begin = prefix + each.begin
        first = max(begin, prefix)
        last = min(begin + len(exchange.program), prefix + len(each.answer))
        closing = [] if end.token is None else [end.token]
        offsets = _true_offsets(encoding.offsets, text) + [(last, last)] * len(closing)
        places = np.array(offsets, np.int64).reshape(-1, 2).clip(first, last) - begin
        tokens.append(ExchangeTokens(asked[each.prompt].ids, encoding.ids + closing, places))
    return tokens


def encode_text(tokenizer: PreTrainedTokenizerBase, text: str) -> tuple[list[int], list[Span]]:
    """Tokenize a text as the tokenizer itself reads it, but for the special tokens that it would add.

    Returns:
        Ids, and for each the [start, end) of its characters in the text; empty for a token that stands for none.

    Raises:
        ModelError: the tokenizer gives no offsets.
    """
    encoding = reading_engine(tokenizer).encode(text, add_special_tokens=False)
    return encoding.ids, _true_offsets(encoding.offsets, text)


def _true_offsets(offsets: list[Span], text: str) -> list[Span]:
    """Return for each token its own characters."""
    repeated = any(map(eq, offsets, offsets[1:]))
    return list(_own_characters(offsets, text)) if repeated else offsets


def _own_characters(offsets: Sequence[Span], text: str) -> Iterator[Span]:
    """Yield for each token its own character, where tokens of the same characters are the bytes of these."""
    # A tokenizer without "é" and "ü" spells "éü" in the four bytes C3 A9 C3 BC, and gives each the characters 0 to 2.
    # As many tokens as bytes: the first two are of "é" (0 to 1), the others of "ü" (1 to 2).
    for (start, end), run in groupby(offsets):
        tokens = len(list(run))
        owners: list[int] = []
        for position in range(start, end):
            owners += [position] * len(text[position].encode())
        if len(owners) == tokens:
            for position in owners:
                yield position, position + 1
        else:
            for _ in range(tokens):
                yield start, end


def encode_prompts(template: ChatTemplate, prompts: Sequence[str]) -> list[EncodedPrompt]:
    """Return the token ids of prompts from `ChatTemplate.render_prompt`, cut where the answer's first token begins.

    A tokenizer splits the prompt and the answer as one text. Byte-level BPE does this at the end of Llama 2's prompt,
    where the model has always read the first line and never the second:

        [INST] Add one. [/INST] def   ->   … "/INST" "]" " def"
        [INST] Add one. [/INST]       ->   … "/INST" "]" " "

    The prompt is then cut before the blank, which becomes the `healing_prefix` of the answer.
    """
    tokenizer = template.tokenizer
    encoded = encode_texts(tokenizer, prompts, special=template.plain)
    if not tokenizer.is_fast:
        return [EncodedPrompt(ids) for ids in encoded]
    word = _word_that_reaches_back(template)
    begun = [prompt + word for prompt in prompts]
    tried = encode_texts(tokenizer, begun, special=template.plain)
    asked = []
    for prompt, ids, ids_with_word in zip(prompts, encoded, tried, strict=True):
        asked.append(_cut(tokenizer, word, prompt, ids, ids_with_word))
    return asked


def end_tokens(template: ChatTemplate, suggested: GenerationConfig) -> set[int]:
    """Return the tokens that end an answer: the template's, the tokenizer's, and those of a generation config."""
    configured = suggested.eos_token_id
    ends = list(configured) if isinstance(configured, list) else [configured]
    ends.append(template.tokenizer.eos_token_id)
    ends.append(template.end.token)
    return {token for token in ends if token is not None}


def read_answer(text: str, asked: EncodedPrompt, template: ChatTemplate) -> str:
    """Return an answer without the template's texts; the end token and all behind it are gone already."""
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
    for text, ids, added in zip(texts, rows, encoded["special_tokens_mask"], strict=True):
        written = bool(tokenizer.eos_token) and text.endswith(tokenizer.eos_token)
        if special and not written and ids and ids[-1] == end and added[-1]:
            ids.pop()
    return rows


@lru_cache(maxsize=8)
def _word_that_reaches_back(template: ChatTemplate) -> str:
    """Return the word before which a prompt of this template is cut the earliest: of two, a tokenizer may join one."""
    prompt = template.render_prompt("x")
    (ids,) = encode_texts(template.tokenizer, [prompt], special=template.plain)
    lengths: dict[str, int] = {}
    for word in _WORDS:
        (tried,) = encode_texts(template.tokenizer, [prompt + word], special=template.plain)
        asked = _cut(template.tokenizer, word, prompt, ids, tried)
        lengths[word] = len(asked.healing_prefix)
    return max(lengths, key=lengths.__getitem__)


def _cut(
    tokenizer: PreTrainedTokenizerBase,
    word: str,
    prompt: str,
    ids: list[int],
    tried: list[int],
) -> EncodedPrompt:
    """Return a prompt cut where the first token of the word begins that was tried behind it."""
    if tried[: len(ids)] == ids:
        return EncodedPrompt(ids)
    engine = continuing_engine(tokenizer)
    # With "… [/INST] " and the word "def": the last token of all is " def", which is what " " + "def" is encoded to.
    # So " " is the healing_prefix, and the tokens before " def" are read by the model.
    for length in range(min(_LONGEST_HEALING_PREFIX, len(prompt)) + 1):
        healing_prefix = prompt[len(prompt) - length :]
        rest = engine.encode(healing_prefix + word, add_special_tokens=False).ids
        if tried[len(tried) - len(rest) :] == rest:
            return EncodedPrompt(tried[: len(tried) - len(rest)], healing_prefix)
    return EncodedPrompt(ids)
