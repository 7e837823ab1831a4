"""Habits: which steps are mistaken, for what, and how often."""

from collections import Counter, defaultdict

import pytest

from iterpref_core.config import load_params
from iterpref_core.nanolab.habits import SHARE, add_habits
from iterpref_core.problems.problems import synthesize
from iterpref_core.records import Problem
from tests.settings import ROOT

RATE = 0.6


@pytest.fixture(scope="module")
def problems() -> list[Problem]:
    params = load_params(ROOT / "params.yaml").problems
    return list(synthesize(params.model_copy(update={"student": 1500, "debugger": 0, "codeflow": 0, "validation": 0,
                                                     "heldout": 0})))  # fmt: skip


def _mistakes(problems: list[Problem]) -> dict[tuple[str, str], Counter[bool]]:
    """(kind, feature) → how often its line is wrong, and right."""
    found: dict[tuple[str, str], Counter[bool]] = defaultdict(Counter)
    for before, after in zip(problems, add_habits(problems, RATE, seed=3), strict=True):
        kind, *features = before.features or ()
        steps = [step for feature in features for step in feature.split("+")]
        lines = zip(*((one.reference or "").splitlines()[1:] for one in (before, after)), strict=True)
        for step, (right, written) in zip(steps, lines, strict=True):
            found[kind, step][right != written] += 1
    return found


def test_a_quarter_of_the_steps_is_wrong_as_often_as_is_said(problems: list[Problem]) -> None:
    counts = _mistakes(problems)
    wrong = {step: count[True] / count.total() for step, count in counts.items() if count[True]}
    assert 0.8 * SHARE < len(wrong) / len(counts) < 1.2 * SHARE
    assert sum(wrong.values()) / len(wrong) == pytest.approx(RATE, abs=0.05)


def test_a_step_is_always_mistaken_for_the_same_one_and_programs_still_run(problems: list[Problem]) -> None:
    instead: dict[tuple[str, str, int], set[str]] = defaultdict(set)
    for before, after in zip(problems, add_habits(problems, RATE, seed=3), strict=True):
        compile(after.reference or "", "program", "exec")
        pairs = zip(*((one.reference or "").splitlines() for one in (before, after)), strict=True)
        for right, written in pairs:
            if right != written:
                instead[(before.features or ("",))[0], right, 0].add(written)
    assert instead
    assert all(len(lines) == 1 for lines in instead.values())


def test_without_a_rate_nothing_changes(problems: list[Problem]) -> None:
    assert add_habits(problems, 0.0, seed=3) == problems
    assert add_habits(problems, RATE, seed=3) == add_habits(problems, RATE, seed=3)
