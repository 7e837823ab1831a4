"""What tests demand of a program: coverage of the reference, and mutants told apart."""

import pytest

from iterpref_core.execution import Executor, Limits
from iterpref_core.problems.validity.mutation_score import PRELOAD, measure_tests
from iterpref_core.records import AssertTest, IoTest, Problem, ScriptTest, UnittestTest
from tests.execution.tiers import tiers

pytestmark = pytest.mark.named_tier

STEP = "def f(x):\n    if x > 5:\n        return 0\n    return x + 1\n"
WEAK = (IoTest(call="f(1)", expected="2"),)


@pytest.fixture(scope="module", params=tiers("mutation score"))
def executor(request):
    with Executor(Limits(cpu_s=0.5, wall_s=5), workers=2, preload=PRELOAD, namespaces=request.param == "A") as executor:
        yield executor


def problem(task_id, *tests, reference=STEP, **fields):
    return Problem(task_id=task_id, prompt="?", entry_point="f", tests=tests, reference=reference, **fields)


KINDS = {
    "io": WEAK,
    "assert": (AssertTest(code="two = 2\nassert f(1) == two"),),
    "unittest": (UnittestTest(code="class T(unittest.TestCase):\n    def test(self): self.assertEqual(f(1), 2)"),),
}


def test_coverage_of_scripts_is_not_measured_their_mutants_are(executor):
    script = ScriptTest(module="own.step", files={"t.py": "from own.step import f\nassert f(1) == 2"}, run="t.py")
    found = measure_tests(problem("script", script), executor, mutants=3, seed=0)
    assert (found.reference, found.coverage, found.mutants) == ("passed", None, 3)


@pytest.mark.parametrize("setup", ["", "import math\nimport re"], ids=["alone", "with setup"])
@pytest.mark.parametrize("kind", KINDS)
def test_coverage_is_the_same_for_all_kinds_of_tests(executor, kind, setup):
    found = measure_tests(problem(kind, *KINDS[kind], setup=setup), executor, mutants=0, seed=0)
    assert (found.reference, found.missing_lines) == ("passed", (3,))
    assert (found.line_coverage, found.branch_coverage, found.coverage) == (3 / 4, 1 / 2, 4 / 6)


@pytest.mark.parametrize(
    "hostile",
    [
        "import sys\nsys.settrace(None)\n",
        "import os, shutil\nshutil.rmtree(os.getcwd())\n",
        "import coverage\ncoverage.Coverage.analysis2 = lambda *a: (0, 'x' * 99, 0, [-1], 0)\n",
        "import coverage\ndef no(*a): raise SystemError\ncoverage.Coverage.stop = no\n",
        "import json\njson.dumps = lambda *a, **k: '{}'\n",
        "def __reached__(): return float('nan'), 2, 'x', [{}]\n",
        "def __reached__(): return [1] * 4\n",
    ],
)
def test_who_breaks_the_measurement_gains_nothing(executor, hostile):
    passing, failing = (
        measure_tests(problem("hostile", *WEAK, reference=hostile + code), executor, mutants=0, seed=0)
        for code in (STEP, "def f(x): return 0")
    )
    assert (passing.reference, failing.reference) == ("passed", "wrong_answer")
    assert passing.coverage is None or 0 <= passing.coverage <= 1


def test_equivalent_mutants_survive_and_endless_ones_do_not(executor):
    reference = "def f(x):\n    n = 0\n    while n < x:\n        n += 1\n    return abs(n)\n"
    tests = [IoTest(call=f"f({n})", expected=str(n)) for n in (0, 1, 4)]
    found = measure_tests(problem("count", *tests, reference=reference), executor, mutants=30, seed=0)
    assert [survivor.change for survivor in found.survivors] == []
    assert found.killed == found.mutants == 8
