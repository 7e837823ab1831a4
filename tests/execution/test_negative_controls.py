"""A program that passes by deceit is found out; an honest one is not accused."""

import pytest

from iterpref_core.execution import Executor, Limits, Program
from iterpref_core.execution.negative_controls import negated
from iterpref_core.records import AssertTest, ScriptTest, UnittestTest


@pytest.fixture(scope="module")
def executor():
    with Executor(Limits(cpu_s=2, wall_s=5), workers=2) as executor:
        yield executor


LIAR = """
class Liar:
    def __eq__(self, other): return True
    def __gt__(self, other): return True
    __hash__ = None
def f(x): return Liar()
"""
PATCHED = """
import unittest
for name in dir(unittest.TestCase):
    if name.startswith("assert") or name == "fail":
        setattr(unittest.TestCase, name, lambda *args, **kwargs: None)
def f(x): return 0
"""
NO_RUN = """
import unittest
unittest.TestCase.run = lambda self, result=None: setattr(result, "testsRun", result.testsRun + 1)
def f(x): return 0
"""
FORGER = """
import gc, os, types
def f(x):
    for found in gc.get_objects():
        if isinstance(found, types.FunctionType) and found.__name__ == "report":
            found(0, "passed", "")
            found(1, "done", "")
            os._exit(0)
"""
HONEST = "def f(x): return x + 1"

EQUAL = AssertTest(code="two = 2\nassert f(1) == two")
GREATER = AssertTest(code="one = 1\nassert f(1) > one")
UNITTEST = UnittestTest(code="class T(unittest.TestCase):\n    def test_one(self): self.assertEqual(f(1), 2)")
RAISES = UnittestTest(
    code="class T(unittest.TestCase):\n    def test_one(self):\n        with self.assertRaises(TypeError): f('a')"
)
SCRIPT = ScriptTest(
    module="solution",
    files={
        "t.py": "import unittest\nfrom solution import f\nclass T(unittest.TestCase):\n"
        "    def test_one(self): self.assertEqual(f(1), 2)\nunittest.main()"
    },
    run="t.py",
)


@pytest.mark.parametrize(
    ("code", "test"),
    [
        (LIAR, EQUAL),
        (LIAR, GREATER),
        (LIAR, UNITTEST),
        (LIAR, SCRIPT),
        (PATCHED, UNITTEST),
        (PATCHED, SCRIPT),
        (NO_RUN, UNITTEST),
        (NO_RUN, RAISES),
        (FORGER, EQUAL),
        (FORGER, UNITTEST),
    ],
)
def test_deceit_is_tampered(executor, code, test):
    outcome = executor.run_one(Program(code, (test,)))
    assert (outcome.verdict, outcome.tests_passed) == ("tampered", 0)


@pytest.mark.parametrize("test", [EQUAL, GREATER, UNITTEST, RAISES, SCRIPT])
def test_honest_programs_pass(executor, test):
    outcome = executor.run_one(Program(HONEST, (test,)))
    assert outcome.verdict == "passed", outcome.feedback


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("assert f(1) == x", "assert f(1) == __never__()"),
        ("assert 2 < f(1)", "assert __never__() < f(1)"),
        ("assert f(1) is None", "assert __negate__(f(1) is None)"),
        ("self.assertEqual(3, f(1))", "self.assertEqual(__never__(), f(1))"),
        ("self.assertTrue(f(1))", "self.assertTrue(__negate__(f(1)))"),
        ("self.assertTrue(isclose(f(1), 2))", "self.assertTrue(isclose(__never__(), 2))"),
        ("self.assertFalse(isclose(f(1), 2))", "self.assertFalse(__negate__(isclose(f(1), 2)))"),
        ("self.assertTrue(a and isclose(f(1), 2))", "self.assertTrue(__negate__(a and isclose(f(1), 2)))"),
        ("assert a and isclose(f(1), 2)", "assert __negate__(a and isclose(f(1), 2))"),
        ("not python", "not python"),
    ],
)
def test_negated(source, expected):
    assert negated(source) == expected
