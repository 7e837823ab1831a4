"""Tests that pass a program which does nothing find no program wrong: they are at fault, not the program."""

import time

import pytest

from iterpref_core.execution import Program
from iterpref_core.records import AssertTest, IoTest, PytestTest, ScriptTest, StdinTest, UnittestTest
from tests.texts import read_table

RIGHT, WRONG = "def f(x):\n    if x < 0: raise ValueError(x)\n    return x + 1\n", "def f(x): return x\n"
FUNCTION = "def test_f():\n    assert f(1) == 2\n"
CASE = "import unittest\nclass T(unittest.TestCase):\n    def test_f(self): {}\n"
GUARD = "if __name__ == '__main__':\n    "
STACK = "class Stack:\n    def __init__(self): self.items = []\n    def pop(self): return self.items.pop()\n"


def verdicts(executor, *sources, codes=(RIGHT, WRONG), setup=""):
    tests = tuple(AssertTest(code=source) for source in sources)
    return [executor.run_one(Program(code, tests, setup)).verdict for code in codes]


@pytest.mark.parametrize(
    "source",
    [
        f"{FUNCTION}{GUARD}test_f()",
        f"{CASE.format('self.assertEqual(f(1), 2)')}{GUARD}unittest.main()",
        f"import sys\n{FUNCTION}{GUARD}sys.exit(test_f())",
        "import sys\nsys.exit(f(1) != 2)",
        "if f(1) != 2:\n    raise AssertionError('no')",
        "def check(g):\n    for n in [1]:\n        assert g(n) == 2\ncheck(f)",
    ],
)
def test_a_test_runs_as_the_main_module(executor, source):
    assert verdicts(executor, source) == ["passed", "wrong_answer"]


@pytest.mark.parametrize(
    "source",
    [
        "import pytest\nwith pytest.raises(Exception):\n    f(-1)",
        "import pytest\nwith pytest.raises(Exception):\n    [n + 1 for n in [f(-1)]][0] < f(2)",
        "try:\n    f(-1)\nexcept Exception:\n    pass\nelse:\n    assert False",
        "raised = False\ntry:\n    f(-1)\nexcept BaseException:\n    raised = True\nassert raised",
        "import unittest\nunittest.TestCase().assertRaises(Exception, lambda: f(-1))",
    ],
)
def test_a_test_that_wants_any_error_needs_a_program_that_raises_one(executor, source):
    right, wrong = verdicts(executor, source)
    assert right == "passed"
    assert wrong not in ("passed", "infra_error")
    assert verdicts(executor, "assert f(3) == 4", source)[0] == "passed"


def test_an_error_of_a_class_and_a_name_of_the_set_up_are_wanted_alike(executor):
    source = "import pytest\ns = Stack()\nwith pytest.raises(Exception):\n    s.pop(LAST)"
    code = STACK.replace("def pop(self)", "def pop(self, at)").replace("pop()", "pop(at)")
    assert verdicts(executor, source, codes=[code], setup="LAST = -1") == ["passed"]


KINDS = {"assert": AssertTest, "pytest": PytestTest, "unittest": UnittestTest}
DEMAND_NOTHING = r"""
assert | def test_f():\n    assert f(1) == 2
assert | import unittest\nclass T(unittest.TestCase):\n    def test_f(self): self.assertEqual(f(1), 2)
assert | def check(g):\n    assert g(1) == 2
assert | for n in []:\n    assert f(n)
assert | # later
assert | print(f(1))
assert | x = f(1)
assert | assert f
assert | assert (f(1) == 2, 'wrong')
assert | assert [f(1) == 2]
assert | try:\n    assert f(1) == 2\nexcept AssertionError as error:\n    print(error)
assert | assert f(1) == 2 or True
pytest | from solution import f\ndef test_f():\n    f(1)
pytest | import solution\ndef test_f():\n    return solution.f(1) == 2
unittest | import unittest\nclass T(unittest.TestCase):\n    def test_f(self): return f(1) == 2
unittest | import unittest\nclass T(unittest.TestCase):\n    def test_f(self): self.assertRaises(ValueError)
unittest | import unittest\nclass T(unittest.TestCase):\n    async def test_f(self): self.assertEqual(f(1), 2)
"""


@pytest.mark.parametrize(("kind", "source"), read_table(DEMAND_NOTHING))
def test_tests_that_pass_a_program_that_does_nothing_are_at_fault(executor, kind, source):
    outcome = executor.run_one(Program(RIGHT, (KINDS[kind](code=source),)))
    assert outcome.verdict == "infra_error"
    assert outcome.feedback.startswith("the tests pass a program that does nothing"), outcome.feedback


@pytest.mark.parametrize("source", ["print(f(1))", "def check(g):\n    assert g(1) == 2", "x = f(1)"])
def test_one_test_that_finds_faults_is_enough(executor, source):
    assert verdicts(executor, source, "assert f(1) == 2") == ["passed", "wrong_answer"]
    assert verdicts(executor, source, "for n in [1]:\n    assert f(n) == 2") == ["passed", "wrong_answer"]


def test_a_program_that_does_nothing_is_not_waited_for_as_long_as_others(executor, monkeypatch):
    monkeypatch.setattr("iterpref_core.execution.running.executor.IDLE_WALL_S", 0.2)
    source = "import queue\nq = queue.Queue()\nf(q)\nassert q.get() == 1"
    begun = time.monotonic()
    outcome = executor.run_one(Program("def f(q): q.put(1)", (AssertTest(code=source),)))
    assert (outcome.verdict, time.monotonic() - begun < executor.limits.wall_s / 2) == ("passed", True)


def test_a_script_and_its_helpers_are_asked_as_well(executor):
    files = {
        "t.py": "from helper import check\nfrom lib import f\ncheck()\n",
        "helper.py": "from lib import f\ndef check(): f(1)\n",
    }
    for more, verdict in (("", "infra_error"), ("assert f(1) == 2", "passed")):
        test = ScriptTest(module="lib", files=files | {"t.py": files["t.py"] + more}, run="t.py")
        assert executor.run_one(Program(RIGHT, (test,))).verdict == verdict


def test_a_program_that_exits_does_not_end_the_test_well(executor):
    source = f"import sys\n{FUNCTION}{GUARD}sys.exit(test_f())"
    for code in ("import sys\ndef f(x): sys.exit(0)", "import sys\nclass A: __eq__ = sys.exit\ndef f(x): return A()"):
        tests = (AssertTest(code=source), AssertTest(code="for n in [1]:\n    assert f(n) == 0"))
        assert executor.run_one(Program(code, tests)).verdict not in ("passed", "infra_error")


@pytest.mark.parametrize("setup", ["import numbpy", "1 / 0", "def (", "raise SystemExit"])
def test_a_set_up_that_fails_alone_is_at_fault(executor, setup):
    for tests in ((AssertTest(code="assert f(1) == 2"),), (StdinTest(input="", output="1"),)):
        outcome = executor.run_one(Program(RIGHT, tests, setup))
        assert outcome.verdict == "infra_error"
        assert outcome.feedback.startswith("the set-up of the tests fails without a program: ")
    assert verdicts(executor, "assert f(1) == 2", setup="import math") == ["passed", "wrong_answer"]


@pytest.mark.parametrize("call", ["f(1", "f(1) +", "f(1); f(2)", "def f", "return 1"])
def test_a_call_that_is_no_expression_is_at_fault(executor, call):
    outcome = executor.run_one(Program(RIGHT, (IoTest(call=call, expected="2"),)))
    assert outcome.feedback.startswith("the test cannot be compiled: SyntaxError")
