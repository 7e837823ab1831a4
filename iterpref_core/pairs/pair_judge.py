"""LLM judge of pairs: does the fix change what the program does, or only how it looks?"""

import json
from collections import Counter
from collections.abc import Container, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Literal, get_args

from iterpref_core.inference.backend import Backend, Request, Sampling, derive_seed
from iterpref_core.inference.prompts import fill
from iterpref_core.inference.structured_answers import CHUNK, ask_parsed
from iterpref_core.records import PreferencePair

Kind = Literal["substantive", "formatting", "comment", "rename", "whitespace"]
SAMPLING = Sampling(temperature=0.0, max_new_tokens=64)

_TEMPLATE = Path(__file__).with_name("prompts") / "judge_pair.txt"


def judge_pairs(
    pairs: Iterable[PreferencePair],
    judge: Backend,
    seed: int,
    counts: Counter[str],
    own_code: Container[str] = frozenset(),
) -> Iterator[PreferencePair]:
    """The pairs that a model takes for substantive, in order; a chunk of them is held at a time.

    A pair whose two answers cannot be read stays.

    Args:
        pairs: any number.
        judge: is asked about each of them.
        seed: of its sampling.
        counts: grows by `judge_<kind>` for what is dropped, and by `asked`, `asked_again`, `unreadable`.
        own_code: task_ids of the pairs that are made of somebody's own code.
    """
    source = iter(pairs)
    while chunk := list(islice(source, CHUNK)):
        requests = [
            Request(judge_prompt(pair), derive_seed(seed, "judge", pair.task_id), pair.task_id in own_code)
            for pair in chunk
        ]
        kinds = ask_parsed(judge, requests, SAMPLING, parse_kind, counts)
        for pair, kind in zip(chunk, kinds, strict=True):
            if kind in (None, "substantive"):
                yield pair
            else:
                counts[f"judge_{kind}"] += 1


def judge_prompt(pair: PreferencePair) -> str:
    """What the judge reads of a pair."""
    return fill(_TEMPLATE, {"prompt": pair.prompt, "rejected": pair.rejected, "chosen": pair.chosen})


def parse_kind(answer: str) -> Kind:
    r"""The kind that an answer names.

    Raises:
        ValueError: the answer is not the object that was asked for.

    >>> parse_kind('```json\n{"kind": "rename"}\n```')
    'rename'
    """
    text = answer.strip().removeprefix("```json").removeprefix("```").removesuffix("```")
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not one JSON object ({error.msg})") from None
    found = value.get("kind") if isinstance(value, dict) else None
    for kind in get_args(Kind):
        if found == kind:
            return kind  # type: ignore[no-any-return]
    raise ValueError(f"'kind' must be one of {', '.join(get_args(Kind))}")
