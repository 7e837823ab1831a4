"""LLM judge of pairs: does the fix change what the program does, or only how it looks?"""

from collections import Counter
from collections.abc import Container, Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Literal

from iterpref_core.inference.backend import Model, Request, Sampling, derive_seed
from iterpref_core.inference.prompts import fill
from iterpref_core.inference.structured_answers import CHUNK, ask_parsed, read_object
from iterpref_core.records import PreferencePair, Record

Kind = Literal["substantive", "formatting", "comment", "rename", "whitespace"]


class PairKind(Record):
    """A judge's answer."""

    kind: Kind


SAMPLING = Sampling(temperature=0.0, max_new_tokens=64)

_TEMPLATE = Path(__file__).with_name("prompts") / "judge_pair.txt"


def judge_pairs(
    pairs: Iterable[PreferencePair],
    judge: Model,
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
        own_code: task_ids of the problems that are made of somebody's own code.
    """
    source = iter(pairs)
    while chunk := list(islice(source, CHUNK)):
        requests = [
            Request(judge_prompt(pair), derive_seed(seed, "judge", pair.task_id), pair.problem in own_code)
            for pair in chunk
        ]
        answers = ask_parsed(judge, requests, SAMPLING, partial(read_object, form=PairKind), counts)
        for pair, answer in zip(chunk, answers, strict=True):
            if answer is None or answer.kind == "substantive":
                yield pair
            else:
                counts[f"judge_{answer.kind}"] += 1


def judge_prompt(pair: PreferencePair) -> str:
    """What the judge reads of a pair."""
    return fill(_TEMPLATE, {"prompt": pair.prompt, "rejected": pair.rejected, "chosen": pair.chosen})
