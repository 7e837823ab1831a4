"""Programs and tests that Hypothesis composes: the judge says of each what plain Python says."""

from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterpref_core.execution import Executor, Limits, Program
from iterpref_core.records import AssertTest, PytestTest, Test, UnittestTest

FORMS: dict[str, Callable[[str, str], Test]] = {
    "assert": lambda call, wanted: AssertTest(code=f"assert {call} == {wanted}"),
    "variable": lambda call, wanted: AssertTest(code=f"found = {call}\nright = found == {wanted}\nassert right"),
    "loop": lambda call, wanted: AssertTest(code=f"for wanted in [{wanted}]:\n    assert {call} == wanted"),
    "check": lambda call, wanted: AssertTest(code=f"def check(f):\n    assert {call} == {wanted}\ncheck(f)"),
    "unittest": lambda call, wanted: UnittestTest(
        code=f"class T(unittest.TestCase):\n    def test_it(self): self.assertEqual({call}, {wanted})"
    ),
    "pytest": lambda call, wanted: PytestTest(code=f"from solution import f\ndef test_it(): assert {call} == {wanted}"),
}
"""Tests that a call gives a value, by form."""


def larger(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Expressions made of smaller ones; some of them raise."""
    return st.one_of(
        st.builds("({} {} {})".format, parts, st.sampled_from(["+", "-", "*", "//", "%"]), parts),
        st.builds("({} if {} < {} else {})".format, parts, parts, parts, parts),
        st.builds("sum([{}, {}])".format, parts, parts),
        st.builds("max({}, {})".format, parts, parts),
        st.builds("[{}, {}][{}]".format, parts, parts, parts),
    )


NUMBERS = st.recursive(st.sampled_from(["x", "-1", "0", "1", "2", "7"]), larger, max_leaves=6)
RESULTS = st.one_of(
    NUMBERS,
    st.builds("[{}, {}]".format, NUMBERS, NUMBERS),
    st.builds("({}, x)".format, NUMBERS),
    st.builds("{{{}: [{}]}}".format, NUMBERS, NUMBERS),
    st.builds("{{{}, {}}}".format, NUMBERS, NUMBERS),
    st.builds("[{} for x in range(3)]".format, NUMBERS),
    st.builds("str({})".format, NUMBERS),
    st.builds("({}) / 2".format, NUMBERS),
)


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    with Executor(Limits(cpu_s=5, wall_s=60), workers=1) as executor:
        yield executor


def plain_python(expression: str, x: int) -> tuple[object, str]:
    """The value of an expression, or the name of what it raises."""
    try:
        return eval(expression, {"x": x}), ""
    except Exception as error:  # noqa: BLE001 - whatever a composed expression raises
        return None, type(error).__name__


@given(result=RESULTS, other=RESULTS, same=st.booleans(), x=st.integers(-3, 3), form=st.sampled_from(sorted(FORMS)))
def test_a_composed_program_gets_the_verdict_of_plain_python(
    executor: Executor, result: str, other: str, same: bool, x: int, form: str
) -> None:
    value, raised = plain_python(result, x)
    wanted, _ = plain_python(result if same else other, x)
    program = Program(f"def f(x):\n    return {result}\n", (FORMS[form](f"f({x})", repr(wanted)),))
    outcome = executor.run_one(program)
    if raised:
        assert outcome.verdict in ("exception", "wrong_answer"), "of an error in a unit test the latter"
        assert raised in outcome.feedback
    else:
        assert outcome.verdict == ("passed" if value == wanted else "wrong_answer"), outcome.feedback
