# ruff: noqa: E501 - a table of tests and programs
"""A runner takes no hook from the solution, and names of the solution mean what the test means by them."""

import pytest

from iterpref_core.execution import Executor, Limits, Program
from iterpref_core.records import AssertTest, PytestTest, UnittestTest
from tests.execution.sandbox.judge.script_tests import script

GIVES_NAMES = (
    "def __getattr__(n):\n    if n == 'f': return lambda x: []\n    raise AttributeError(n)\ndef len(x): return 4\n"
)
SETUP = "def same(a, b): return a == b"
WRONG = {
    "getattr assert": (AssertTest(code="assert len(f(2)) == 4"), GIVES_NAMES),
    "getattr unittest star": (
        UnittestTest(
            code="import unittest\nfrom solution import *\nclass T(unittest.TestCase):\n    def test_it(self): self.assertEqual(len(f(2)), 4)"
        ),
        GIVES_NAMES,
    ),
    "getattr pytest star and f": (
        PytestTest(code="from solution import *\nfrom solution import f\ndef test_it(): assert len(f(2)) == 4"),
        GIVES_NAMES,
    ),
    "getattr script star, module": (
        script("from solution import *\nimport solution\nassert len(solution.f(2)) == 4"),
        GIVES_NAMES,
    ),
    "getattr pytest star, importlib": (
        PytestTest(code="from solution import f\nfrom solution import *\ndef test_it(): assert len(f(2)) == 4"),
        GIVES_NAMES,
    ),
    "load_tests unittest": (
        UnittestTest(
            code="import unittest\nfrom solution import *\nclass T(unittest.TestCase):\n    def test_it(self): self.assertEqual(f(2), 4)\n    def test_easy(self): self.assertEqual(f(1), 1)"
        ),
        "def f(x): return 1\ndef load_tests(l,t,p):\n    for g in t:\n        for c in g:\n            if 'easy' in c.id(): return c\n",
    ),
    "load_tests script main": (
        script(
            "import unittest\nfrom solution import *\nclass T(unittest.TestCase):\n    def test_it(self): self.assertEqual(f(2), 4)\nunittest.main()"
        ),
        "import unittest\ndef f(x): return 1\ndef load_tests(l,t,p): return unittest.TestSuite()\n",
    ),
    "pytest hooks": (
        PytestTest(code="from solution import *\ndef test_it(): assert f(2) == 4"),
        "def f(x): return 1\ndef pytest_pyfunc_call(pyfuncitem): return True\ndef pytest_generate_tests(metafunc): pass\ndef setup_module(): pass\n",
    ),
    "pytest all hooks listed": (
        PytestTest(code="from solution import *\ndef test_it(): assert f(2) == 4"),
        "__all__=['f','pytest_pyfunc_call','load_tests','pytestmark']\nimport pytest\npytestmark=pytest.mark.skip\ndef f(x): return 1\ndef pytest_pyfunc_call(pyfuncitem): return True\ndef load_tests(): pass\n",
    ),
    "helper in setup, star": (
        UnittestTest(
            code="import unittest\nfrom solution import *\nclass T(unittest.TestCase):\n    def test_it(self): self.assertTrue(same(f(2), 4))"
        ),
        "def f(x): return 1\ndef same(a,b): return True\n",
    ),
}
RIGHT = {
    "a builtin's name that is the task, by all names": (
        PytestTest(code="from solution import *\ndef test_it(): assert sum([1, [2]]) == 3"),
        "def sum(x): return 3",
    ),
    "a helper of the setup": (AssertTest(code="assert same(f(2), 4)"), "def f(x): return x * 2"),
    "a test's own load_tests": (
        UnittestTest(
            code="import unittest\nfrom solution import *\nclass A(unittest.TestCase):\n    def test_a(self): self.assertEqual(f(2), 4)\nclass B(unittest.TestCase):\n    def test_b(self): self.fail()\ndef load_tests(loader, tests, pattern): return loader.loadTestsFromTestCase(A)"
        ),
        "def f(x): return x * 2\ndef load_tests(*a): return None",
    ),
}


@pytest.fixture(scope="module")
def executor():
    with Executor(Limits(cpu_s=5, wall_s=30), workers=1) as executor:
        yield executor


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_program_passes_by_none_of_them(executor, name):
    test, code = WRONG[name]
    outcome = executor.run_one(Program(code, (test,), setup=SETUP if "setup" in name else ""))
    assert outcome.verdict == "wrong_answer"
    assert "inside" not in outcome.isolation


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_program_passes(executor, name):
    test, code = RIGHT[name]
    outcome = executor.run_one(Program(code, (test,), setup=SETUP))
    assert (outcome.verdict, outcome.feedback) == ("passed", "")
    assert "inside" not in outcome.isolation
