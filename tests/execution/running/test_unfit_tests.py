"""A test of kind `assert` runs as `__main__`; if it asserts nothing, the test is at fault."""

import pytest

from iterpref_core.execution import Program
from iterpref_core.records import AssertTest

RIGHT, WRONG = "def f(x): return x + 1", "def f(x): return x"
FUNCTION = "def test_f():\n    assert f(1) == 2\n"
CASE = "import unittest\nclass T(unittest.TestCase):\n    def test_f(self): self.assertEqual(f(1), 2)\n"
GUARD = "if __name__ == '__main__':\n    "


def verdicts(executor, *sources):
    tests = tuple(AssertTest(code=source) for source in sources)
    return [executor.run_one(Program(code, tests)).verdict for code in (RIGHT, WRONG)]


@pytest.mark.parametrize(
    "source",
    [
        f"{FUNCTION}{GUARD}test_f()",
        f"{CASE}{GUARD}unittest.main()",
        f"import sys\n{FUNCTION}{GUARD}sys.exit(test_f())",
        "import sys\nsys.exit(f(1) != 2)",
        "if f(1) != 2:\n    raise AssertionError('no')",
        "def check(g):\n    for n in [1]:\n        assert g(n) == 2\ncheck(f)",
    ],
)
def test_a_test_runs_as_the_main_module(executor, source):
    assert verdicts(executor, source) == ["passed", "wrong_answer"]


@pytest.mark.parametrize(
    "source", [FUNCTION, CASE, "def check(g):\n    assert g(1) == 2", "for n in []:\n    assert f(n)"]
)
def test_a_test_that_reaches_no_assertion_is_at_fault_and_may_be_of_another_kind(executor, source):
    assert verdicts(executor, source) == ["infra_error", "infra_error"]
    assert executor.run_one(Program(RIGHT, (AssertTest(code=source),))).feedback.endswith(
        "passes without a program: it reaches no assertion. Is it of kind pytest or unittest?"
    )
    assert verdicts(executor, "for n in [1]:\n    assert f(n) == 2", source) == ["infra_error", "wrong_answer"]


@pytest.mark.parametrize("source", ["# later", "print(f(1))", "x = f(1)"])
def test_tests_without_any_assertion_are_at_fault(executor, source):
    assert verdicts(executor, source) == ["infra_error", "infra_error"]
    assert verdicts(executor, source, "assert f(1) == 2") == ["passed", "wrong_answer"]


def test_a_program_that_exits_does_not_end_the_test_well(executor):
    source = f"import sys\n{FUNCTION}{GUARD}sys.exit(test_f())"
    for code in ("import sys\ndef f(x): sys.exit(0)", "import sys\nclass A: __eq__ = sys.exit\ndef f(x): return A()"):
        tests = (AssertTest(code=source), AssertTest(code="for n in [1]:\n    assert f(n) == 0"))
        assert executor.run_one(Program(code, tests)).verdict not in ("passed", "infra_error")
