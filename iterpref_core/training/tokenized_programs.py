"""Tokenized programs: token ids, each with the characters it stands for.

A program continues its prompt, and its mask is decided by characters. Tokenizers, left to themselves, respect neither:

- Some begin every text with a blank. After a prompt that would be a blank which nobody wrote.
- Some give a token only its visible characters (`trim_offsets`), so that indentation belongs to no token.
- Unigram models spell a run of unknown characters in bytes and give each byte the characters of the whole run, line
  ends included.
- The text of a special token becomes that token, so that a program which mentions the end token would end there.
"""

import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from operator import eq
from typing import Any

from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerBase

from iterpref_core.errors import ModelError
from iterpref_core.records import Span


def encode_program(tokenizer: PreTrainedTokenizerBase, program: str) -> tuple[list[int], list[Span]]:
    """One program's tokens, as `encode_programs` gives them."""
    return next(encode_programs(tokenizer, [program]))


def encode_programs(
    tokenizer: PreTrainedTokenizerBase, programs: Sequence[str]
) -> Iterator[tuple[list[int], list[Span]]]:
    """The tokens of programs that continue prompts, without any special token; on all cores.

    Yields:
        Ids, and for each the [start, end) of its characters in the program; empty for a token that stands for none.

    Raises:
        ModelError: the tokenizer gives no offsets.
    """
    encodings = _continuing(tokenizer).encode_batch(programs, add_special_tokens=False)
    for encoding, program in zip(encodings, programs, strict=True):
        yield encoding.ids, _own_characters(encoding.offsets, program)


@lru_cache(maxsize=2)
def _continuing(tokenizer: PreTrainedTokenizerBase) -> Tokenizer:
    """A copy of a tokenizer's engine that takes every text for the continuation of another."""
    if not tokenizer.is_fast:
        raise ModelError(
            f"{tokenizer.name_or_path}: this tokenizer gives no character offsets; "
            "convert it to a fast tokenizer (tokenizer.json)"
        )
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    state["post_processor"] = None  # trims offsets, and adds what opens or closes a text
    for part in ("normalizer", "pre_tokenizer"):
        state[part] = next(iter(_adding_nothing([state[part]])), None)
    engine = Tokenizer.from_str(json.dumps(state))
    engine.no_truncation()
    engine.no_padding()
    engine.encode_special_tokens = True
    return engine


def _adding_nothing(steps: list[Any]) -> list[Any]:
    """Steps of a tokenizer.json, and those inside of them, without the blank that some put before a text."""
    changed = []
    for step in steps:
        if not isinstance(step, dict):
            changed.append(step)
        elif step.get("type") != "Prepend":
            never = {"add_prefix_space": False, "prepend_scheme": "never"}
            changed.append(
                {
                    key: _adding_nothing(value) if isinstance(value, list) else never.get(key, value)
                    for key, value in step.items()
                }
            )
    return changed


def _own_characters(offsets: list[Span], text: str) -> list[Span]:
    """Where tokens of the same characters are as many as their UTF-8 bytes, each is one byte: of one character."""
    if not any(map(eq, offsets, offsets[1:])):
        return offsets
    return list(_shared_out(offsets, text))


def _shared_out(offsets: Sequence[Span], text: str) -> Iterator[Span]:
    for (start, end), run in groupby(offsets):
        tokens = len(list(run))
        owners = [place for place in range(start, end) for _ in text[place].encode()]
        if len(owners) == tokens:
            yield from ((place, place + 1) for place in owners)
        else:
            yield from [(start, end)] * tokens
