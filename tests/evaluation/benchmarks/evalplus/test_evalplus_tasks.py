"""EvalPlus's equality; agreement with its evaluator is tested in tests/evaluation/evaluation."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from iterpref_core.evaluation.benchmarks.evalplus.tasks import EvalPlusTask, comparator_of
from iterpref_core.execution.codec.canonical import Digest, summarize
from iterpref_core.records import InputError


def test_special_equality_is_evalplus_s():
    from evalplus.eval import _special_oracle as theirs

    for pair in ([3, 4], [81, 12], [999_999, 1]):
        for name, value in (
            ("surface_Area", theirs._surface_Area(*pair)),
            ("digit_distance_nums", theirs._digit_distance_nums(*pair)),
        ):
            judge = comparator_of("mbpp", name, inputs=[[pair]], expected=[0], atol=0)
            assert (judge(0, value), judge(0, value + 1)) == (True, False)
    root = comparator_of("humaneval", "find_zero", inputs=[[[[-2.0, 1.0]]]], expected=[2.0], atol=1e-4)
    assert [root(0, value) for value in (2.00001, 2.1, "two")] == [True, False, False]


SCALARS = st.one_of(
    st.booleans(), st.integers(-3, 3), st.sampled_from([0.5, 1.0, 2.0, 1e-7]), st.text("ab", max_size=2)
)
ROWS = st.lists(SCALARS, max_size=3)
VALUES = st.one_of(SCALARS, ROWS, ROWS.map(tuple), st.lists(st.lists(st.floats(0, 2), max_size=2), max_size=2))


@st.composite
def results(draw):
    """An expected result, and one that may be it, almost it, of another type, or another one."""
    expected = draw(VALUES)
    nearly = draw(st.sampled_from([0.0, 1e-8, 5e-7, 1e-5]))

    def moved(value):
        if isinstance(value, list | tuple):
            return type(value)(map(moved, value))
        return value + nearly if type(value) is float else value

    actual = draw(st.sampled_from([moved(expected), list(expected) if type(expected) is tuple else expected]))
    return expected, draw(st.one_of(st.just(actual), VALUES))


def evalplus_takes(actual, expected, atol):
    """The comparison of `evalplus.eval.unsafe_execute` (0.3.1), line by line, but for empty lists."""
    import numpy as np
    from evalplus.eval import is_floats

    exact = actual == expected
    if atol == 0 and is_floats(expected):
        atol = 1e-6
    if exact or atol == 0:
        return exact
    if type(actual) is not type(expected) or (isinstance(expected, list | tuple) and len(actual) != len(expected)):
        return False
    try:
        # One difference to EvalPlus is wanted: numpy may compare nothing, as of [False] and [[]], which is not right.
        compares_nothing = np.broadcast(actual, expected).size == 0 and np.size(actual) != np.size(expected)
        return not compares_nothing and bool(np.allclose(actual, expected, rtol=1e-07, atol=atol))
    except (TypeError, ValueError):  # an error within the candidate's process fails the test
        return False


@given(results(), st.sampled_from([0.0, 1e-6, 1e-4]))
@example(([[]], [False]), 0.0)
@example(((False, False), (False, 1e-7)), 1e-6)
def test_a_result_is_right_where_evalplus_takes_it(pair, atol):
    expected, actual = pair
    right = evalplus_takes(actual, expected, atol)
    assert comparator_of("humaneval", "f", inputs=[[[1]]], expected=[expected], atol=atol)(0, actual) is right


def test_a_large_value_is_compared_by_its_digest():
    large = list(range(700_000))
    digest = summarize(large)
    assert isinstance(digest, Digest)
    judge = comparator_of("humaneval", "f", inputs=[[[1]]], expected=[digest], atol=0)
    assert [judge(0, value) for value in (digest, summarize([*large, 1]), [1])] == [True, False, False]


def test_inputs_that_are_not_those_of_mbpp_s_task_are_refused_by_name():
    texts = {"task_id": "Mbpp/2", "prompt": "", "entry_point": "f", "canonical_solution": ""}
    task = EvalPlusTask(**texts, base_input=[[1, 2]], plus_input=[], atol=0)
    with pytest.raises(InputError, match="Mbpp/2: its inputs differ from MBPP's"):
        task.inputs("base")
