"""Runners of benchmarks: each decides how a program is run, and the program's `judge` what is right."""

from collections.abc import Iterator
from typing import Any

import pytest

from iterpref_core.execution import Executor, Limits, Outcome, Program, RunnerTest, shown_call

TWICE = """
import ast

def run(source, load, *arguments):
    module = load(lambda: ast.parse(source), "OFFSET = 40", "twice")
    return [module["f"](*arguments), module["f"](*arguments), module["__name__"]]
"""
"""A runner that calls a function two times, with a name of its own at hand."""


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    with Executor(Limits(cpu_s=1), workers=1) as executor:
        yield executor


def run(executor: Executor, code: str, expected: Any) -> Outcome:
    test = RunnerTest(TWICE, (2,), lambda: shown_call("f", (2,)))
    return executor.run_one(Program(code, (test,), comparator=lambda _, value: value == expected))


def test_a_runner_decides_how_a_program_is_run(executor: Executor) -> None:
    assert run(executor, "def f(x): return OFFSET + x", [42, 42, "twice"]).verdict == "passed"
    outcome = run(executor, "def f(x): return x", [42, 42, "twice"])
    assert (outcome.verdict, outcome.feedback) == ("wrong_answer", "f(2) returned [2, 2, 'twice']")


def test_feedback_has_the_line_of_the_program_and_not_of_the_runner(executor: Executor) -> None:
    outcome = run(executor, "def f(x):\n    return 1 / 0", None)
    assert outcome.verdict == "exception"
    assert outcome.feedback == "f(2) raised ZeroDivisionError: division by zero, line 2: return 1 / 0"


def test_such_a_test_is_alone() -> None:
    test = RunnerTest(TWICE, (), lambda: "")
    with pytest.raises(ValueError, match="a program of its own"):
        Program("print(1)", (test, test), comparator=lambda _, _value: True)
