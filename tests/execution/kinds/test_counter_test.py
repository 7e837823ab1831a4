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
        ("assert f(2) == 4", "assert f(2) == 1000015"),
        ("assert 'ab' == f(2)", "assert 'ab~' == f(2)"),
        ("assert f() == [True, None]", "assert f() == [False, Ellipsis]"),
        ("assert f() == set()", "assert f() == {1000003}"),
        ("assert f(2) == want", "assert f(2) == another_value(want)"),
        ("assert f(2) != 5 and f(2) > 3", "assert f(2) == 5 and f(2) <= 3"),
        ("assert f(1) or f(2) == 4", "assert not f(1) and f(2) == 1000015"),
        ("assert not f(2)", "assert f(2)"),
        ("assert 3 < f(2) < 5", "assert 3 >= f(2) >= 5"),
        ("assert f(2) in (4, 5)", "assert f(2) in [..., 1000003.5]"),
        ("assert 'a' in f()", "assert object() in f()"),
        ("assert f() is None", "assert f() is not None"),
        ("assert abs(f() - 0.5) <= 0.1", "assert abs(f() - 1000004.5) <= 0.1"),
        ("assert all(f(n) == n for n in ns)", "assert any((f(n) == another_value(n) for n in ns))"),
        ("assert math.isclose(f(), 2)", "assert not math.isclose(f(), 2)"),
        ("ok = f(2) == 4\nassert ok", "ok = f(2) == 1000015\ntry:\n    assert ok"),
        ("self.assertEqual(4, f(2))", "self.assertEqual(1000015, f(2))"),
        ("self.assertAlmostEqual(f(), x, delta=9)", "self.assertAlmostEqual(f(), another_value(x), delta=9)"),
        ("self.assertTrue(f(2) > 3)", "self.assertTrue(f(2) <= 3)"),
        ("self.assertIn(1, f())", "self.assertIn(object(), f())"),
        ("np.testing.assert_allclose(f(), [1.0])", "np.testing.assert_allclose(f(), [1000006.0])"),
        ("with pytest.raises(KeyError):\n    f()",
         "with pytest.raises(type('OtherException', (Exception,), {})):\n    f()"),
        ("try:\n    f()\n    assert False\nexcept KeyError:\n    pass",
         "try:\n    f()\n    assert False\nexcept type('OtherException', (Exception,), {}):\n    pass"),
    ],
)  # fmt: skip
def test_a_counter_test_expects_something_else(test, counter):
    changed = counter_test(test)
    assert changed.decides
    assert "\n".join(map(str.strip, counter.split("\n"))) in "\n".join(map(str.strip, changed.source.split("\n")))


@pytest.mark.parametrize(
    "test",
    [
        "f()",
        "assert True",
        "if f():\n    assert f() == 1",
        "try:\n    f()\nexcept KeyError as error:\n    assert error.args == (1,)",
        "@unittest.skip('later')\ndef test(): assert f() == 1",
        "def test():\n    def work(): assert f() == 1\n    Thread(target=work).start()",
        "not Python",
    ],
)
def test_nothing_is_concluded_from_an_assertion_that_need_not_be_reached(test):
    assert not counter_test(test).decides


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
