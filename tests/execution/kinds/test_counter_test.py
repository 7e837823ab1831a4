"""Counter-tests: programs that lie to tests in their own process are found out, honest ones are believed."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from iterpref_core.execution import Executor, Limits, Program
from iterpref_core.execution.kinds.counter_test import another_value, counter_test
from iterpref_core.records import AssertTest, PytestTest, UnittestTest
from tests.execution.sandbox.judge.honest_programs import FORMS as HONEST_FORMS
from tests.execution.sandbox.judge.liars import LIARS
from tests.execution.sandbox.judge.test_verdicts import KINDS as TESTS
from tests.execution.tiers import tiers

FORMS = ("assert", "unittest", "script")
MORE_FORMS = ("loop", "check", "subtests", "suite", "pytest", "inherited", "near", "variable")
LIMITS = Limits(cpu_s=1, wall_s=6, memory_mb=512, file_mb=4)
KINDS = {"assert": AssertTest, "unittest": UnittestTest, "pytest": PytestTest}
KNOWN = {"reads constants", "reads its own memory"}
"""Liars that read what a test expects where it is a constant, and lie elsewhere: a counter-test has other constants."""

pytestmark = pytest.mark.named_tier


@pytest.fixture(scope="module", params=tiers("counter tests")[:1])
def run(request):
    with (
        Executor(LIMITS, workers=2, namespaces=request.param == "A") as engine,
        ThreadPoolExecutor(2) as threads,
    ):

        def run_all(programs):
            outcomes = threads.map(
                lambda program: engine.run_one(Program(program[0], (program[1],), inside=True)), programs.values()
            )
            return dict(zip(programs, outcomes, strict=True))

        yield run_all


@pytest.mark.parametrize("form", [*FORMS, *(pytest.param(form, marks=pytest.mark.slow) for form in MORE_FORMS)])
def test_liars_are_found_out_in_their_own_process(run, form):
    outcomes = run({name: (code, TESTS[form]) for name, code in LIARS.items()})
    assert {name for name, outcome in outcomes.items() if outcome.verdict == "passed"} - KNOWN == set()
    assert sum(outcome.verdict == "tampered" for outcome in outcomes.values()) >= 8


def test_honest_programs_are_believed(run):
    outcomes = run({name: (code, KINDS[kind](code=test)) for name, (kind, code, test) in HONEST_FORMS.items()})
    accused = [name for name, outcome in outcomes.items() if outcome.verdict == "tampered"]
    unchecked = [name for name, outcome in outcomes.items() if outcome.isolation.endswith("judged inside unchecked")]
    assert accused == []
    assert len(unchecked) <= 13
    assert all("judged inside" in outcome.isolation for outcome in outcomes.values())


@pytest.mark.parametrize(
    ("test", "counter"),
    [
        ("assert f(2) == 4", "assert compared_again(('eq',), f(2), hidden(1000015, '4'))"),
        ("assert 3 < f(2) <= 5", "compared_again(('lt', 'le'), hidden(1000012, '3'), f(2), hidden(1000018, '5'))"),
        ("assert not f(2) in x", "assert not compared_again(('contains',), f(2), x)"),
        ("assert f() is None", "assert f() is None"),
        ("self.assertEqual(4, f(2), 'why')", "asserted_again(self.assertEqual, hidden(1000015, '4'), f(2), "),
        ("np.testing.assert_allclose(f(), x, atol=1)", "asserted_again(np.testing.assert_allclose, f(), x, atol=1)"),
        ("assert abs(f(2) - x) < 0.1", "assert near_again('lt', abs, f(2), x, 0.1)"),
        ("f(2)", "f(2)\nraise AssertionError"),
        ("with f(2) as v:\n    assert v", "with f(2) as v:\n    assert v\n    raise AssertionError"),
        ("with pytest.raises(E):\n    f()", "with pytest.raises(E):\n    f()\nraise AssertionError"),
        ("if f(2) != 4:\n    sys.exit(1)\nsys.exit(g())", "    sys.exit(1)\n(g(),)\nraise AssertionError"),
        ("if __name__ == '__main__':\n    main()", "main()\n    raise AssertionError"),
        ("def test(): f(2)\nassert True", "f(2)\n    raise AssertionError\nassert True"),
    ],
)
def test_a_counter_test_asks_again_and_fails_at_its_end(test, counter):
    changed = counter_test(test)
    assert changed.decides
    assert counter in changed.source


@pytest.mark.parametrize(
    "test",
    [
        "def test():\n    if f(): return\n    assert f() == 1",
        "def test():\n    if f(): pytest.skip('no')\n    assert f() == 1",
        "if f(): sys.exit(0)\nassert f() == 1",
        "@unittest.skip('later')\ndef test(): assert f() == 1",
        "@unittest.skipIf(f(), 'x')\nclass T:\n    def test(self): assert f() == 1",
        "no Python",
    ],
)
def test_nothing_is_concluded_from_an_end_that_need_not_be_reached(test):
    assert not counter_test(test).decides


STACK = """
class S:
    def __init__(self, x=()): self.x = list(x)
    def pop(self): return self.x.pop()
    def push(self, x): self.x.append(x)
    def __len__(self): return len(self.x)
def empty(): return np.array([])
"""
U = "class T(unittest.TestCase):\n    def test_it(self):\n        s = S([1, 2])\n        "
CHANGED_BY_ASSERTIONS = {
    "and": "s = S([1, 2])\nassert s.pop() == 2 and s.pop() == 1\nassert not s",
    "or": "s = S([1, 2])\nassert s.pop() == 5 or s.pop() == 1\nassert not s",
    "walrus": "s = S([1, 2])\nassert (a := s.pop()) and (b := s.pop())\nassert not s",
    "chain": "s = S([1, 1])\nassert s.pop() == 1 == s.pop()\nassert not s",
    "item": "s = S([1])\nassert s.pop() in [1, 2] and not s",
    "message": "s = S([1, 2])\nassert s.pop() == 2, s.pop()\nassert s",
    "condition": "s = S([1])\nok = s.pop() == 1\nif not ok: s.push(3)\nassert ok\nassert not s",
    "expected failure": "s = S([1])\ntry:\n    assert s.pop() == 2\nexcept AssertionError:\n    s.push(5)\nassert s",
    "raise": "s = S()\ntry:\n    s.pop()\n    raise AssertionError\nexcept IndexError:\n    s.push(1)\nassert s",
    "assertIn": U + "self.assertIn(s.pop(), range(3))\n        s.pop()\n        self.assertFalse(s)",
    "assertTrue": U + "self.assertTrue(s.pop() == 2 and s.pop() == 1)\n        self.assertFalse(s)",
    "delta": U + "self.assertAlmostEqual(s.pop(), 1.0, delta=10)",
    "nothing is near": "np.testing.assert_allclose(empty(), 0)",
    "a length alone": "def assertEqualLength(a, b): assert len(a) == len(b)\nassertEqualLength([S().x], [1])",
}  # fmt: skip
"""By name: tests whose assertions change what the next ones see, or pass for several values."""


def test_a_right_program_is_in_the_same_state_at_each_line_of_a_counter_test(run):
    imports = "import unittest\nimport numpy as np\n"
    tests = {
        name: (STACK, (UnittestTest if test.startswith("class") else AssertTest)(code=imports + test))
        for name, test in CHANGED_BY_ASSERTIONS.items()
    }
    said = {name: (outcome.verdict, outcome.inside) for name, outcome in run(tests).items()}
    assert said == dict.fromkeys(tests, ("passed", "judged inside"))


def test_a_test_keeps_its_docstring_and_its_future_imports_first():
    source = counter_test('"""Doc."""\nfrom __future__ import annotations\nassert f() == 1').source
    compile(source, "<test>", "exec")


def test_a_program_that_tells_both_runs_apart_is_believed(run):
    """A coin: the price of a test that the program can reach, which docs/execution.md names."""
    coin = "import os\ndef f(x):\n    return L()\nclass L:\n    def __eq__(self, o): return os.urandom(1)[0] < 128\n"
    verdicts = {outcome.verdict for outcome in run(dict.fromkeys(range(60), (coin, TESTS["assert"]))).values()}
    assert verdicts == {"passed", "tampered", "wrong_answer"}


def test_a_lie_to_one_of_several_tests_is_found_out():
    code = "class Equal:\n    def __eq__(self, other): return True\ndef f(x): return 4 if x == 2 else Equal()"
    both = (TESTS["assert"], AssertTest(code="assert f(3) == 3 * 3"))
    with Executor(LIMITS, workers=1) as executor:
        assert executor.run_one(Program(code, both, inside=True)).verdict == "tampered"
        assert executor.run_one(Program("def f(x): return x * x", both, inside=True)).verdict == "passed"


@pytest.mark.parametrize("test", [
    AssertTest(code="assert f(2) == 4\nassert f(3) == 3 * 3\nassert len('ab') == 2"),
    UnittestTest(code="import unittest\nclass T(unittest.TestCase):\n    def test_a(self): self.assertEqual(f(2), 4)\n"
                 "    def test_b(self):\n        self.assertEqual(f(3), 9)\n        self.assertEqual(len('ab'), 2)\n"),
    PytestTest(code="from solution import f\ndef test_a(): assert f(2) == 4\ndef test_b():\n    assert f(3) == 9\n"
               "    assert len('ab') == 2\n"),
])  # fmt: skip
def test_a_lie_to_one_of_several_assertions_is_found_out(test):
    code = "class Equal:\n    def __eq__(self, other): return True\ndef f(x): return 4 if x == 2 else Equal()"
    with Executor(LIMITS, workers=1) as executor:
        assert executor.run_one(Program(code, (test,), inside=True)).verdict == "tampered"
        assert executor.run_one(Program("def f(x): return x * x", (test,), inside=True)).verdict == "passed"


@pytest.mark.parametrize(
    "value", [0, -1000003, 1.5, float("nan"), float("inf"), True, "", b"", None, [], (1,), {2}, {}, 1j]
)
def test_another_value_is_another(value):
    found = another_value(value)
    assert found != value
    assert str(found) != str(value)
    assert another_value([value]) != [value]


def test_an_assertion_that_the_test_defines_is_changed_where_it_is_called_alone():
    code = """
import math, unittest
class T(unittest.TestCase):
    def assertNearlyEqual(self, found, expected):
        for key, value in found.items():
            if math.isnan(value):
                self.assertTrue(math.isnan(expected[key]))
            else:
                self.assertEqual(value, expected[key])
    def test_number(self):
        self.assertNearlyEqual(f(2), {"a": 4})
    def test_nan(self):
        self.assertNearlyEqual(f(math.nan), {"a": math.nan})
"""
    test = UnittestTest(code=code)
    assert counter_test(code).decides
    liar = "class Equal:\n    def __eq__(self, other): return True\n    def __float__(self): return 1.0\n"
    with Executor(LIMITS, workers=1) as executor:
        assert executor.run_one(Program("def f(x): return {'a': x * x}", (test,), inside=True)).verdict == "passed"
        lie = f"{liar}def f(x): return {{'a': Equal()}}"
        assert executor.run_one(Program(lie, (test,), inside=True)).verdict == "tampered"


def test_values_that_numpy_compares_in_its_own_way_accuse_nobody():
    code = (
        "import numpy as np\ndef f(): return np.array([])\ndef g(): return np.array([11])\ndef h(): return [np.nan]\n"
    )
    lines = ("assert 11 in g()", "np.testing.assert_array_equal(f(), want)", "np.testing.assert_equal(h(), [np.nan])")
    test = AssertTest(code="\n".join(("want = np.array([])", *lines)))
    with Executor(LIMITS, workers=1) as executor:
        outcome = executor.run_one(Program(code, (test,), inside=True))
    assert (outcome.verdict, outcome.inside) == ("passed", "judged inside")
