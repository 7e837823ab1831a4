"""LLM judge of pairs: tells fixes that change a program's behavior from those that change its appearance."""

from collections import Counter
from collections.abc import Container, Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Literal

from iterpref_core.models.inference.backend import Model, Request, Sampling, derive_seed
from iterpref_core.models.prompts.structured_answers import CHUNK, ask_parsed, read_object
from iterpref_core.models.prompts.templates import fill
from iterpref_core.records import PreferencePair, Record
from iterpref_core.records.prompt_messages import labeled_text

FixKind = Literal["substantive", "formatting", "comment", "rename", "whitespace"]


class FixJudgment(Record):
    """A judge's answer about a pair."""

    kind: FixKind


SAMPLING = Sampling(temperature=0.0, max_new_tokens=64)

_TEMPLATE = Path(__file__).with_name("prompts") / "judge_pair.txt"


def judge_pairs(
    pairs: Iterable[PreferencePair],
    judge: Model,
    seed: int,
    counts: Counter[str],
    own_code: Container[str] = frozenset(),
) -> Iterator[PreferencePair]:
    """Yield the pairs that a model judges substantive, in their order; a chunk of pairs is in memory at a time.

    A pair is kept if the judge's answer is unreadable, and the answer to a second request too.

    Args:
        pairs: any number of pairs.
        judge: the model that is asked about each pair.
        seed: seed of the judge's sampling.
        counts: grows by `judge_<kind>` for each dropped pair, and by `asked`, `asked_again`, `unreadable`.
        own_code: task_ids of the problems that are made of somebody's own code.
    """
    source = iter(pairs)
    while chunk := list(islice(source, CHUNK)):
        requests = []
        for pair in chunk:
            pair_seed = derive_seed(seed, "judge", pair.task_id)
            requests.append(Request(judge_prompt(pair), pair_seed, pair.problem in own_code))
        answers = ask_parsed(
            judge,
            requests,
            SAMPLING,
            partial(read_object, form=FixJudgment),
            counts,
        )
        for pair, answer in zip(chunk, answers, strict=True):
            if answer is None or answer.kind == "substantive":
                yield pair
            else:
                counts[f"judge_{answer.kind}"] += 1


def judge_prompt(pair: PreferencePair) -> str:
    """Return the prompt that asks the judge about a pair."""
    values = {"prompt": labeled_text(pair.prompt), "rejected": pair.rejected, "chosen": pair.chosen}
    return fill(_TEMPLATE, values)
