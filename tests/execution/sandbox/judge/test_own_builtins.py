"""Builtins of a program's own beside a wrong function: none decides a test that uses them."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterpref_core.execution import Executor, Limits, Program
from iterpref_core.records import AssertTest, PytestTest, Test, UnittestTest
from tests.execution.sandbox.judge.plain_python import passes_in_plain_python as plain_python_passes

NAMES = [
    "sum", "len", "sorted", "max", "min", "abs", "all", "any", "list", "set", "tuple", "dict", "str", "int",
    "float", "round", "range", "enumerate", "zip", "map", "filter", "isinstance", "type", "repr", "bool", "iter",
    "next", "reversed", "hash", "id", "callable", "getattr", "hasattr", "print", "eval", "exec", "AssertionError",
    "ValueError", "object",
]  # fmt: skip
EQUAL_TO_ALL = """class {0}:
    def __init__(self, *a): pass
    def __eq__(self, other): return True
    __hash__ = None
    def __len__(self): return 3
    def __iter__(self): return iter([1, 2, 3])"""
OWN = [
    "def {0}(*a, **k): return True",
    "def {0}(*a, **k): return [1, 2, 3]",
    "def {0}(*a, **k): return 6",
    EQUAL_TO_ALL,
    "import builtins\n{0} = builtins.{0} = lambda *a, **k: a[0] if a else True",
]
TESTS = [
    "assert {0}(f(3)) == {0}([1, 2, 3]) and f(3) == [1, 2, 3]",
    "x = f(3)\nassert {0}(x) == {0}([1, 2, 3]) and x[0] == 1",
    "for x in [3]:\n    assert f(x) == [1, 2, 3]",
    "def check(c):\n    assert {0}(c(3)) == {0}([1, 2, 3])\n    assert c(3) == [1, 2, 3]\ncheck(f)",
    "assert isinstance(f(3), list) and len(f(3)) == 3 and sum(f(3)) == 6",
    "assert [*map(str, f(3))] == ['1', '2', '3']",
    "assert all(a == b for a, b in zip(f(3), [1, 2, 3])) and len(f(3)) == 3",
    "assert sorted(f(3), reverse=True) == [3, 2, 1]",
    "assert str(f(3)) == '[1, 2, 3]'",
    "assert dict(enumerate(f(3))) == dict(enumerate([1, 2, 3]))",
    "assert set(f(3)) == set([1, 2, 3])",
]
WRONG = st.sampled_from(["[]", "[3, 2]", "None", "0", "[1, 2, 4]", "'123'", "{1, 2, 3}", "[[1, 2, 3]]"])


def indented(source: str, by: int) -> str:
    return "\n".join(" " * by + line for line in source.splitlines())


KINDS = {
    "assert": lambda body: AssertTest(code=body),
    "unittest": lambda body: UnittestTest(
        code=f"import unittest\nclass T(unittest.TestCase):\n    def test_it(self):\n{indented(body, 8)}"
    ),
    "pytest": lambda body: PytestTest(code=f"from solution import *\ndef test_it():\n{indented(body, 4)}"),
}


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    with Executor(Limits(cpu_s=5, wall_s=60), workers=1) as executor:
        yield executor


@given(
    own=st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(OWN)), min_size=1, max_size=4),
    used=st.sampled_from(["len", "sum", "sorted", "max", "list", "str", "repr", "tuple"]),
    bodies=st.lists(st.sampled_from(TESTS), min_size=1, max_size=2),
    wrong=WRONG,
    kind=st.sampled_from(sorted(KINDS)),
)
def test_a_wrong_program_passes_by_no_builtin_of_its_own(
    executor: Executor, own: list[tuple[str, str]], used: str, bodies: list[str], wrong: str, kind: str
) -> None:
    body = "\n".join(bodies).format(used)
    function = f"def f(x): return {wrong}\n"
    code = "\n".join([*(how.format(name) for name, how in own), function])
    test: Test = KINDS[kind](body)
    outcome = executor.run_one(Program(code, (test,)))
    # Python's own builtins decide: by them, a weak test may let a wrong function pass.
    assert outcome.verdict != "infra_error", outcome
    assert outcome.verdict != "passed" or plain_python_passes(function, body), outcome
