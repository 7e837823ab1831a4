"""Assertions are read as a call of the program and a comparison, or run inside."""

import pytest

from iterpref_core.execution.parsing.assertions import read_assertion, read_call
from tests.texts import read_table

READ = read_table("""
assert f([1, -2], k='a') == {1: (2.0, None)}, 'why' | f([1, -2], k='a') | {1: (2.0, None)}
assert 2 == f(1) | f(1) | 2
assert f(1) != 2 | f(1) | f(1) != 2
assert 3 <= f(1) | f(1) | 3 <= f(1)
assert len(set(f(1))) > 2 | len(set(f(1))) | len(set(f(1))) > 2
assert round(f(1), 2) == 0.5 | round(f(1), 2) | 0.5
assert Solution().f(1) == float('inf') | Solution().f(1) | float('inf')
assert f(*[1, 2], **{'k': 3}) == 2.0 / 3.0 | f(*[1, 2], **{'k': 3}) | 2.0 / 3.0
assert f(1) is None | f(1) | None
assert f(1) is True | f(1) | True
assert f(1) == True | f(1) | True
assert f(1) | f(1) | True
assert not f(1) | f(1) | not f(1)
assert abs(f(1) - 0.5) < 1e-6 | f(1) | abs(f(1) - 0.5) < 1e-06
assert abs(0.5 - f(1)) <= 1e-6 | f(1) | abs(0.5 - f(1)) <= 1e-06
assert math.isclose(f(1), 0.5, abs_tol=0.1) | f(1) | math.isclose(f(1), 0.5, abs_tol=0.1)
assert f(1) == [float('inf'), {1}, frozenset([2])] | f(1) | [float('inf'), {1}, frozenset([2])]
assert f(1) == [1 + 2j, b'x', ...] | f(1) | [1 + 2j, b'x', ...]
assert len(f(1)) is None | len(f(1)) | None
assert not len(f(1)) | len(f(1)) | not len(f(1))
assert sum(1, 2) == 3 | sum(1, 2) | 3
""")
"""Sources, each with the program's expression and its expected value."""
INSIDE = r"""
'about'\nassert f(1) == 2
assert f(1) < 'b'
assert sorted(f(1), reverse=True) == []
assert f(*[1, 2], **{'k': 3}) == [0] * 3
assert f(1) is 2
assert f(1) == 'a' + 'b'
xs = [1]\nassert f(xs) == 1
assert f(1) == 2\nassert f(2) == 3
for n in [1]:\n    assert f(n) == n
def test_f():\n    assert f(1) == 2
assert f(1) == g(1)
assert f(1) == want
assert f(g(1)) == 2
assert f(lambda: 1) == 2
assert f(1)[0] == 2
assert f(1).x == 2
assert f(1) + 1 == 2
assert 1 < f(1) < 3
assert f(1) in (1, 2)
assert f(1) is not None
assert isinstance(f(1), int)
assert all(f(1))
assert eval('f(1) == 2')
assert math.isclose(f(1), g(1))
assert f(1) == 10 ** 10000
assert 1 == 1
assert f(1) =
return
"""
"""Tests that run inside."""


@pytest.mark.parametrize(("source", "shown", "expected"), READ)
def test_a_single_assertion_about_a_call_with_literals_is_read(source, shown, expected):
    found = read_assertion(source)
    assert found is not None
    assert (found.shown, found.expected.source) == (shown, expected)


def test_any_other_test_runs_inside():
    for (source,) in read_table(INSIDE):
        assert read_assertion(source) is None, source
    assert read_assertion(f"assert f(1) == '{'a' * 100_000}'") is None


HOLDS = [
    ("assert f(1) == [2]", [2], [3]),
    ("assert f(1) == False", 0, 1),
    ("assert f(1)", [0], []),
    ("assert not f(1)", "", "a"),
    ("assert abs(f(1) - 2) < 1", 2.5, 3),
    ("assert 2 < f(1)", 3, 2),
    ("assert f(1) is None", None, 0),
    ("assert f(1) is True", True, 1),
    ("assert abs(2 - f(1)) <= 1", 3, 0.5),
    ("assert math.isclose(f(1), 2, rel_tol=0.1)", 2.1, 2.5),
]


@pytest.mark.parametrize(("source", "right", "wrong"), HOLDS)
def test_a_comparison_holds_for_a_right_value_alone(source, right, wrong):
    found = read_assertion(source)
    assert found is not None
    assert (bool(found.expected.holds(right)), bool(found.expected.holds(wrong))) == (True, False)


@pytest.mark.parametrize(
    ("source", "is_the_solutions"),
    [("f(2)", True), (" f(2)", True), ("sorted(f(2))", True), ("S().f(2)", True), ("f(2) == 4", False),
     ("f(g(2))", False), ("[f(2)]", False), ("same(f(2), 4)", False)],
)  # fmt: skip
def test_an_expression_is_the_solutions_value_or_one_that_the_test_makes(source, is_the_solutions):
    assert (read_call(source) is not None) == is_the_solutions
