"""No program that lies passes a test outside: in the quick tests each meets three kinds of tests in turn, else all."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from iterpref_core.execution import Executor, Limits, Program
from iterpref_core.execution.ruling.steps import plan_of
from iterpref_core.records import AssertTest, IoTest
from tests.execution.tiers import tiers
from tests.execution.verdicts.programs import LIARS
from tests.texts import read_table

pytestmark = pytest.mark.named_tier

TIERS = tiers("liars")
# Whoever waits or computes without end soon ends: a liar need not get the time that it wants.
LIMITS = Limits(cpu_s=0.5, wall_s=6, memory_mb=256, file_mb=4)
ASSERTED = """
equal | f(2) == 2 * 2
reversed | [4, 16] == list(f(2))
in order | f(2) < -1e300
near | abs(f(2) - 4) < 1e-6
close | math.isclose(f(2), 4)
rounded | round(f(2), 1) == 4.5
length | len(f(2)) == 2
a set | set(f(2)) == {4, 9}
identical | f(2) is False
"""
KINDS = {
    "call": IoTest(call="f(2)", expected="4"),
    "sorted call": IoTest(call="sorted(f(2))", expected="[4, 9]"),
    **{name: AssertTest(code=f"assert {asserted}") for name, asserted in read_table(ASSERTED)},
}
"""Tests of `f(2)`, in every form that is read, that no liar passes."""
IN_TURN = 3
"""Kinds of tests that a liar meets in the quick tests."""


@pytest.fixture(scope="module", params=TIERS)
def executor(request):
    with Executor(LIMITS, workers=4, namespaces=request.param == "A") as executor:
        yield executor


def fooled(executor, liar, kinds):
    """The kinds of tests that a liar passes, or that have no verdict on it."""

    def run(kind):
        return executor.run_one(Program(LIARS[liar], (KINDS[kind],), inside=False))

    with ThreadPoolExecutor(4) as threads:
        outcomes = list(threads.map(run, kinds))
    return [kind for kind, outcome in zip(kinds, outcomes, strict=True) if outcome.verdict in ("passed", "infra_error")]


def kinds_in_turn(liar):
    kinds, first = list(KINDS), IN_TURN * list(LIARS).index(liar)
    return [kinds[(first + place) % len(kinds)] for place in range(IN_TURN)]


@pytest.mark.parametrize("name", LIARS)
def test_no_liar_passes_three_kinds_of_tests(executor, name):
    assert fooled(executor, name, kinds_in_turn(name)) == []


def test_each_kind_of_test_is_read_as_checks_and_meets_liars_in_the_quick_tests():
    assert [kind for kind, test in KINDS.items() if plan_of(Program("", (test,))).inside] == []
    met = Counter(kind for name in LIARS for kind in kinds_in_turn(name))
    assert min(met[kind] for kind in KINDS) >= 12
