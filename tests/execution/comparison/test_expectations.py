"""One table of comparisons, run by both ways of judging: a call alone, and an expression that is computed inside."""

import pytest

from iterpref_core.execution import Program
from iterpref_core.records import IoTest
from tests.texts import read_table

TABLE = read_table("""
{(True,)} | {(1,)} | - | passed
[1] | [1.0] | - | passed
-0.0 | 0.0 | - | passed
(1,) | [1] | - | wrong_answer
1.0 | nan | - | wrong_answer
{1} | frozenset({1}) | - | passed
nan | 1.0 | - | wrong_answer
inf | inf | - | passed
[nan] | [nan] | - | passed
1 + 2j | (1+2j) | - | passed
set() | set() | - | passed
[inf] | [float('inf')] | - | passed
0.1 + 0.2 | 0.3 | - | wrong_answer
10**16 + 1 | 10000000000000000 | - | wrong_answer
[] | [3.14] | 1e-6 | wrong_answer
[3.14] * 1000 | [3.14] | 1e-6 | wrong_answer
3.14 | [3.14] | 1e-6 | wrong_answer
[1.1] | [1.0] | 1e-6 | wrong_answer
{'a': [1, (2.0000001,)]} | {'a': [1, (2.0,)]} | 1e-6 | passed
{'b': 1.0} | {'a': 1.0} | 1e-6 | wrong_answer
[1.0] | (1.0,) | 1e-6 | wrong_answer
(1.0, 'a', None) | (1.0000001, 'a', None) | 1e-6 | passed
(1.0, 'b') | (1.0, 'a') | 1e-6 | wrong_answer
2 | 2.0000001 | 1e-6 | passed
2.0000001 | 2 | 1e-6 | passed
nan | nan | 1e-6 | passed
inf | 1e308 | 1e-6 | wrong_answer
5 | 1e999 | 1e-6 | wrong_answer
[inf] | [1e999] | 1e-6 | passed
10**400 | 1.0 | 1e-6 | wrong_answer
5 + 0j | 1e999 | 1e-6 | wrong_answer
1.0000001 + 1j | (1+1j) | 1e-6 | passed
'1.0' | 1.0 | 1e-6 | wrong_answer
{1.0000001, 5.0} | {5.0, 1.0} | 1e-6 | wrong_answer
{True: 1.0000001} | {1: 1.0} | 1e-6 | passed
1e9 | 1000000001.0 | 1e-6 | passed
0.1 + 0.2 | 0.3 | 1e-6 | passed
11 | 10 | 2 | wrong_answer
11.5 | 10 | 2 | passed
""")
"""The value of a program, the one that is expected, the tolerance, and the verdict."""
WRONG_INTEGERS = read_table("""
1000000006 | 1000000007
[1, 10**9 + 6] | [1, 1000000007]
((10**9 + 6,),) | ((1000000007,),)
{'a': [999999938]} | {'a': [999999937]}
{10**9 + 6: 1} | {1000000007: 1}
{10**9} | {1000000001}
10**19 + 1 | 10000000000000000000
1000000006.0 | 1000000007
[10**9 + 6, 0.5] | [1000000007, 0.5]
""")
TABLE += [(*row, atol, "wrong_answer") for row in WRONG_INTEGERS for atol in ("-", "0", "1e-6")]


def judged(executor, call, value, source, atol, **options):
    test = IoTest(call=call, expected=source, atol=None if atol == "-" else float(atol), **options)
    return executor.run_one(Program(f"from math import inf, nan\ndef f(): return {value}\n", (test,)))


@pytest.mark.parametrize("call", ["f()", "[f()][0]"])
@pytest.mark.parametrize(("value", "source", "atol", "verdict"), TABLE)
def test_values_are_compared_as_in_python_and_decimal_numbers_by_the_tolerance(
    executor, value, source, atol, verdict, call
):
    outcome = judged(executor, call, value, source, atol)
    assert (outcome.verdict, outcome.inside) == (verdict, call != "f()"), outcome.feedback


TUPLES = """
[(1, 2), {'a': (3,)}] | [[1, 2], {'a': [3]}] | - | passed
([1, 2], {'a': [3]}) | [[1, 2], {'a': [3]}] | - | passed
[(1, 3), {'a': (3,)}] | [[1, 2], {'a': [3]}] | - | wrong_answer
[1.0000001] | (1.0,) | 1e-6 | passed
(1000000006,) | [1000000007] | 1e-6 | wrong_answer
"""


@pytest.mark.parametrize(("value", "source", "atol", "verdict"), read_table(TUPLES))
def test_tuples_may_be_as_right_as_lists(executor, value, source, atol, verdict):
    outcome = judged(executor, "f()", value, source, atol, tuples_as_lists=True)
    assert outcome.verdict == verdict, outcome.feedback
