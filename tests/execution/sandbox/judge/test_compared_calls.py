"""An assertion that compares a call with a literal is run as a call; other tests, and other values, need a judge."""

import pytest

from iterpref_core.execution import Executor, Limits, Program
from iterpref_core.execution.ruling.routing import as_calls, steps_of
from iterpref_core.records import AssertTest, IoTest, Test


def assertions(*sources: str) -> tuple[Test, ...]:
    return tuple(AssertTest(code=source) for source in sources)


@pytest.mark.parametrize(
    ("tests", "calls"),
    [
        (assertions("assert f([1,-2], k='a') == {1: (2.0, None)}"), ["f([1, -2], k='a')"]),
        (assertions("assert Solution().f(2) == 4, 'wrong'", "assert g() == []"), ["Solution().f(2)", "g()"]),
        ((*assertions("assert f(1) == 2"), IoTest(call="f(2)", expected="3")), ["f(1)", "f(2)"]),
        (assertions("assert f(1) == 2", "assert sorted(f(2)) == [3]"), []),
        (assertions("assert f(1) == 2\nassert f(2) == 3"), []),
        (assertions("assert f(1) == float('nan')"), []),
        (assertions("assert f(1) != 2"), []),
        (assertions("assert f(1) is None"), []),
        (assertions("assert f(1) == g(1)"), []),
        (assertions("assert f(x) == 2"), []),
        (assertions("assert f(1) == 2 == 3"), []),
        (assertions("assert f(1) == "), []),
    ],
)
def test_which_tests_are_calls(tests: tuple[Test, ...], calls: list[str]) -> None:
    assert [step.source for step in as_calls(steps_of(Program("", tests)))] == calls


VALUES = {
    "a number of another type": ("def f(): return 1.0", "assert f() == True", "passed", ""),
    "a truth value": ("def f(): return True", "assert f() == 1", "passed", ""),
    "a set": ("def f(): return frozenset({1})", "assert f() == {1}", "passed", ""),
    "nan": ("def f(): return float('nan')", "assert f() == 1", "wrong_answer", "f() returned nan, expected 1"),
    "a tuple": ("def f(): return (1,)", "assert f() == [1]", "wrong_answer", "f() returned (1,), expected [1]"),
    "a mapping that only Python compares": (
        "from collections import OrderedDict\ndef f(): return OrderedDict(a=1)", "assert f() == {'a': 1}",
        "passed", ""),
    "an object that equals all": (
        "class Liar(int):\n    def __eq__(self, other): return True\ndef f(): return Liar(1)", "assert f() == 2",
        "wrong_answer", "f() returned 1, expected 2"),
    "changed arguments": (
        "def f(x):\n    x.sort()\n    return x[0]", "assert f([2, 1]) == 2",
        "wrong_answer", "f([2, 1]) returned 1, expected 2"),
    "an exception": (
        "def f(): return 1 / 0", "assert f() == 2",
        "exception", "f() raised ZeroDivisionError: division by zero, line 1: def f(): return 1 / 0"),
    "too few arguments": (
        "def f(x): return x", "assert f() == 2",
        "exception", "TypeError: f() missing 1 required positional argument: 'x'"),
}  # fmt: skip


def test_the_verdict_is_pythons() -> None:
    programs = [Program(code, assertions(test)) for code, test, _, _ in VALUES.values()]
    with Executor(Limits(), workers=1) as executor:
        found = [(outcome.verdict, outcome.feedback) for _, outcome in executor.run_each(programs, lambda each: each)]
    wanted = [(verdict, feedback) for _, _, verdict, feedback in VALUES.values()]
    assert dict(zip(VALUES, found, strict=True)) == dict(zip(VALUES, wanted, strict=True))
