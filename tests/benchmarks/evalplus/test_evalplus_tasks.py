"""EvalPlus's equality; agreement with its evaluator is tested in tests/evaluation."""

import random

import pytest

from iterpref_core.benchmarks.evalplus.tasks import judge_of
from iterpref_core.execution.sandbox.encoding import Digest, summarize


def test_special_equality_is_evalplus_s():
    from evalplus.eval import _special_oracle as theirs

    chance = random.Random(0)
    for _ in range(200):
        pair = [chance.randrange(10**6), chance.randrange(10**4)]
        area, distance = theirs._surface_Area(*pair), theirs._digit_distance_nums(*pair)
        assert judge_of("mbpp", "surface_Area", inputs=[pair], expected=[0], atol=0)(0, area)
        assert judge_of("mbpp", "digit_distance_nums", inputs=[pair], expected=[0], atol=0)(0, distance)
        assert not judge_of("mbpp", "digit_distance_nums", inputs=[pair], expected=[0], atol=0)(0, distance + 1)
    root = judge_of("humaneval", "find_zero", inputs=[[[-2.0, 1.0]]], expected=[2.0], atol=1e-4)
    assert root(0, 2.00001)
    assert not root(0, 2.1)
    assert not root(0, "two")


@pytest.mark.parametrize(
    ("expected", "actual", "right"),
    [
        ([1], True, True),
        ([2.0], 2.0000001, True),
        ([2.0], 2.1, False),
        ([[1.0, 2.0]], [1.0, 2.0000001], True),
        ([[1.0, 2.0]], (1.0, 2.0), False),
        ([[1.0]], [1.0, 2.0], False),
        ([3], 4, False),
        (["a"], "b", False),
    ],
)
def test_tolerance(expected, actual, right):
    assert judge_of("humaneval", "f", inputs=[[1]], expected=expected, atol=0)(0, actual) is right


def test_a_large_value_is_compared_by_its_digest():
    large = list(range(700_000))
    digest = summarize(large, lenient=True)
    assert isinstance(digest, Digest)
    judge = judge_of("humaneval", "f", inputs=[[1]], expected=[digest], atol=0)
    assert judge(0, digest)
    assert not judge(0, summarize([*large, 1], lenient=True))
    assert not judge(0, [1])
