"""Rewarded problems: those whose tests can be a reward, and the order in which a training asks them."""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from random import Random

from iterpref_core.execution import Admission, Engine, check_tests, decided
from iterpref_core.records import Problem
from iterpref_core.records.config import TrainingParams
from iterpref_core.records.errors import InputError
from iterpref_core.storage.jsonl import read_jsonl, tell_further
from iterpref_core.training.reinforcement.rendered_prompts import RenderedPrompts

logger = logging.getLogger(__name__)

SPLIT = "codeflow"
"""The split that is trained on, as in CodeFlow; problems of a file without splits all take part."""

_REASONS = {
    "judged_inside": "their tests run in the program's own process, where a program can deceive them; "
    "docs/execution.md has the tests that it cannot deceive, and with training.grpo.inside: mark these take part, too",
    "repeated": "an earlier one has the same statement and the same tests",
    "too_long": "their prompts have more tokens than training.max_prompt_length",
}
"""The reasons why a problem is left out, in words."""


@dataclass(frozen=True)
class Survey:
    """The problems of a file, as far as a training needs to know them.

    Attributes:
        names: `task_id` of those that take part, in the order of the file.
        left_out: reason → number of problems.
        inside: `task_id` of those that take part though their tests run in the program's own process.
    """

    names: tuple[str, ...]
    left_out: dict[str, int]
    inside: frozenset[str] = frozenset()


def survey_problems(path: Path, prompts: RenderedPrompts, params: TrainingParams, executor: Engine) -> Survey:
    """Return which problems of a file take part, and say how many are left out.

    Args:
        path: JSONL of problems.
        prompts: the form in which the model reads them.
        params: the section `training`.
        executor: runs references, which decide where tests are judged.

    Raises:
        InputError: no problem takes part, one has no tests that are needed, or a `task_id` stands there twice.
    """
    names = []
    known: set[str] = set()
    reasons: Counter[str] = Counter()
    admission = Admission(params.grpo.inside)
    for problem in admission.admit(decided(_checked(path), executor)):
        if problem.identity in known:
            reasons["repeated"] += 1
        elif prompts.length(problem) > params.max_prompt_length:
            reasons["too_long"] += 1
        else:
            names.append(problem.task_id)
            known.add(problem.identity)
    reasons["judged_inside"] = len(admission.refused)
    total = len(names) + reasons.total()
    if not total:
        raise InputError(f"{path}: no problem of split '{SPLIT}'; give some problems this split, or none")
    told = [f"{count:,} of {total:,} problems are left out: {_REASONS[reason]}" for reason, count in reasons.items()]
    if not names:
        raise InputError(f"{path}: no problem is left to train on: {'; '.join(told)}")
    for line in told:
        logger.warning("%s: %s", path, line)
    if not admission.refused:
        admission.tell(path)
    return Survey(tuple(names), {reason: reasons[reason] for reason in _REASONS}, frozenset(admission.inside))


def _checked(path: Path) -> Iterator[Problem]:
    further: Counter[str] = Counter()
    for problem in _of_split(path, further):
        check_tests(problem, path)
        yield problem
    tell_further(path, further)


def read_chosen(path: Path, names: Sequence[str], inside: Set[str]) -> dict[str, Problem]:
    """Return the problems of these names; of those in `inside`, the tests are judged there."""
    wanted = set(names)
    chosen = {}
    for problem in _of_split(path, Counter()):
        if problem.task_id in wanted:
            is_inside = True if problem.task_id in inside else problem.inside
            chosen[problem.task_id] = problem.model_copy(update={"inside": is_inside})
    return chosen


def draw_names(names: Sequence[str], count: int, seed: int) -> list[str]:
    """Return as many names, in random order: each of them once before any of them comes again.

    >>> drawn = draw_names(["a", "b", "c"], 5, seed=1)
    >>> sorted(drawn[:3]), len(drawn)
    (['a', 'b', 'c'], 5)
    """
    random = Random(seed)
    drawn: list[str] = []
    while len(drawn) < count:
        order = list(names)
        random.shuffle(order)
        drawn += order
    return drawn[:count]


class _AnyProblem(Problem, extra="allow"):
    """A problem of a data set with further columns, as TRL's trainers take them."""


def _of_split(path: Path, further: Counter[str]) -> Iterator[Problem]:
    """Yield the problems of the split, and count the columns that have no effect."""
    for row in read_jsonl(path, _AnyProblem, unique=True):
        if row.split in (None, SPLIT):
            further.update(list(row.model_extra or ()))
            yield Problem(**{name: getattr(row, name) for name in Problem.model_fields})
