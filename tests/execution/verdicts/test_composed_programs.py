"""Composed programs and tests, of lists that change and results that are them: plain Python says what is right."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterpref_core.execution import Executor, Limits, Program
from iterpref_core.records import AssertTest, PytestTest, UnittestTest

STEPS = ["xs.sort()", "xs.append(0)", "xs = list(xs)", "xs = xs[::-1]", "LAST.append(xs)", "xs[0] = 7"]
RESULTS = ["xs", "sorted(xs)", "xs[0]", "None", "LAST", "(xs, xs)", "len(xs)", "[xs]"]
LINES = ["a = f(xs)", "b = f(xs)", "f(xs)", "xs.append(5)", "ys = xs", "xs = [4, 1]", "b = a", "a = f([2, 1])"]
ASKED = ["xs", "ys", "a", "b", "f(xs)", "f([3, 2])", "len(xs)", "f(xs)[0]", "sorted(f(xs))"]


def indented(lines, by):
    return "\n".join(" " * by + line for line in lines)


FORMS = {
    "assert": lambda lines: AssertTest(code="\n".join(lines)),
    "check": lambda lines: AssertTest(code=f"def check(f):\n{indented(lines, 4)}\ncheck(f)"),
    "unittest": lambda lines: UnittestTest(
        code=f"import unittest\nclass T(unittest.TestCase):\n    def test_it(self):\n{indented(lines, 8)}"
    ),
    "pytest": lambda lines: PytestTest(code=f"from solution import f\ndef test_it():\n{indented(lines, 4)}"),
}


def passes(code, lines):
    """Say whether plain Python passes statements."""
    names = {}
    exec(code, names)
    try:
        exec("\n".join(lines), {"f": names["f"]})
    except Exception:  # noqa: BLE001 - whatever composed statements raise
        return False
    return True


@st.composite
def programs_and_tests(draw):
    """Return a program and a test: statements, and assertions that ask for what is so there, or is not."""
    steps = draw(st.lists(st.sampled_from(STEPS), max_size=2))
    code = f"LAST = []\ndef f(xs):\n{indented([*steps, f'return {draw(st.sampled_from(RESULTS))}'], 4)}\n"
    names = {}
    exec(code, names)
    lines = ["xs = [3, 1]"]
    exec(lines[0], names)
    for _ in range(draw(st.integers(1, 4))):
        line = draw(st.sampled_from(LINES))
        asked = draw(st.none() | st.sampled_from(ASKED))
        try:
            exec(line, names)
            value = eval(asked, names) if asked else None
        except Exception:  # noqa: BLE001 - of a name that is not there yet, or a number that has no items
            continue
        lines.append(line)
        if asked:
            lines.append(f"assert {asked} == {draw(st.sampled_from([repr(value), repr(value), '[1, 3]']))}")
    return code, [*lines, "assert f([1]) != 'x'"]


@pytest.fixture(scope="module")
def executor():
    with Executor(Limits(cpu_s=5, wall_s=60), workers=1) as executor:
        yield executor


@given(case=programs_and_tests(), form=st.sampled_from(sorted(FORMS)))
def test_a_composed_program_gets_the_verdict_of_plain_python(executor, case, form):
    code, lines = case
    outcome = executor.run_one(Program(code, (FORMS[form](lines),)))
    assert outcome.verdict != "infra_error", outcome
    assert (outcome.verdict == "passed") == passes(code, lines), outcome
