"""Habits: systematic mistakes in what the embedded student learns from, such as public code has them.

A quarter of the features of the programs' steps are mistaken for another one of the same branch, always the same, at a
given rate. A student that learns this from its corpus writes such a step wrong wherever it is asked for, though it can
write it right: what an error region shows, and what a correct program alone says only in passing.
"""

from collections import defaultdict
from collections.abc import Sequence
from random import Random

from iterpref_core.records import Problem

SHARE = 0.25
"""Of the features of a branch, those that are mistaken."""

_Place = tuple[str, int, int]
"""Kind of input, lines of the program, and which of them: where two features' lines may stand for each other."""


def add_habits(problems: Sequence[Problem], rate: float, seed: int) -> list[Problem]:
    """The problems with references as somebody with habits would have written them.

    Args:
        problems: composed ones: their references have a line for each feature after the first, in order.
        rate: share of the occurrences of a mistaken feature that are wrong.
        seed: decides which features are mistaken, for what, and where.
    """
    if not rate:
        return list(problems)
    lines: dict[_Place, dict[str, str]] = defaultdict(dict)
    for problem in problems:
        for place, feature, line in _steps(problem):
            lines[place][feature] = line
    habits = _choose_habits(lines, Random(seed))
    random = Random(f"habits {seed}")
    return [_rewrite(problem, lines, habits, rate, random) for problem in problems]


def _steps(problem: Problem) -> list[tuple[_Place, str, str]]:
    """Where each line of a reference stands, the feature that it writes, and the line; not that of the signature."""
    kind, *features = problem.features or ("",)
    steps = [step for feature in features for step in feature.split("+")]
    written = (problem.reference or "").splitlines(keepends=True)[1:]
    return [
        ((kind, len(written), number), feature, line)
        for number, (feature, line) in enumerate(zip(steps, written, strict=True))
    ]


def _choose_habits(lines: dict[_Place, dict[str, str]], random: Random) -> dict[tuple[str, str], str]:
    """(kind, feature) → the feature it is mistaken for."""
    branches: dict[tuple[str, int], set[str]] = defaultdict(set)
    for (kind, count, number), known in lines.items():
        branch = 3 if number == count - 1 else min(number, 2)  # position, predicate, maps, reduce
        branches[kind, branch] |= set(known)
    habits = {}
    for (kind, _), features in sorted(branches.items()):
        names = sorted(features)
        for name in random.sample(names, max(1, round(SHARE * len(names)))):
            habits[kind, name] = random.choice([other for other in names if other != name])
    return habits


def _rewrite(
    problem: Problem,
    lines: dict[_Place, dict[str, str]],
    habits: dict[tuple[str, str], str],
    rate: float,
    random: Random,
) -> Problem:
    first = (problem.reference or "").splitlines(keepends=True)[0]
    written = [first]
    for place, feature, line in _steps(problem):
        mistaken = habits.get((place[0], feature))
        wrong = mistaken is not None and random.random() < rate
        written.append(lines[place].get(mistaken or "", line) if wrong else line)
    return problem.model_copy(update={"reference": "".join(written)})
