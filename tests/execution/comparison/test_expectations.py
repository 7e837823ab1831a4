"""One table of comparisons, run by both ways of judging: a call alone, and an expression that is computed inside."""

import pytest

from iterpref_core.execution import Program
from iterpref_core.records import IoTest

EQUAL = [
    ("{(True,)}", "{(1,)}", True), ("[1]", " [1.0] ", True), ("-0.0", "0.0", True), ("(1,)", "[1]", False),
    ("1.0", "nan", False), ("{1}", "frozenset({1})", True), ("nan", "1.0", False), ("inf", "inf", True),
    ("[nan]", "[nan]", True), ("1 + 2j", "(1+2j)", True), ("set()", "set()", True), ("[inf]", "[float('inf')]", True),
    ("0.1 + 0.2", "0.3", False), ("10**16 + 1", "10000000000000000", False),
]  # fmt: skip
NEAR = [
    ("[]", "[3.14]", False), ("[3.14] * 1000", "[3.14]", False), ("3.14", "[3.14]", False), ("[1.1]", "[1.0]", False),
    ("{'a': [1, (2.0000001,)]}", "{'a': [1, (2.0,)]}", True), ("{'b': 1.0}", "{'a': 1.0}", False),
    ("[1.0]", "(1.0,)", False), ("(1.0, 'a', None)", "(1.0000001, 'a', None)", True),
    ("(1.0, 'b')", "(1.0, 'a')", False), ("2", "2.0000001", True), ("2.0000001", "2", True), ("nan", "nan", True),
    ("inf", "1e308", False), ("5", "1e999", False), ("[inf]", "[1e999]", True), ("10**400", "1.0", False),
    ("5 + 0j", "1e999", False), ("1.0000001 + 1j", "(1+1j)", True), ("'1.0'", "1.0", False),
    ("{1.0000001, 5.0}", "{5.0, 1.0}", False), ("{True: 1.0000001}", "{1: 1.0}", True), ("1e9", "1000000001.0", True),
    ("0.1 + 0.2", "0.3", True),
]  # fmt: skip
"""With a tolerance of 1e-6."""
WRONG_INTEGERS = [
    ("1000000006", "1000000007"), ("[1, 10**9 + 6]", "[1, 1000000007]"), ("((10**9 + 6,),)", "((1000000007,),)"),
    ("{'a': [999999938]}", "{'a': [999999937]}"), ("{10**9 + 6: 1}", "{1000000007: 1}"), ("{10**9}", "{1000000001}"),
    ("10**19 + 1", "10000000000000000000"), ("1000000006.0", "1000000007"), ("[10**9 + 6, 0.5]", "[1000000007, 0.5]"),
]  # fmt: skip
TABLE = [(value, source, None, right) for value, source, right in EQUAL]
TABLE += [(value, source, 1e-6, right) for value, source, right in NEAR]
TABLE += [(value, source, atol, False) for value, source in WRONG_INTEGERS for atol in (None, 0.0, 1e-6)]
TABLE += [("11", "10", 2.0, False), ("11.5", "10", 2.0, True)]


@pytest.mark.parametrize("call", ["f()", "[f()][0]"])
@pytest.mark.parametrize(("value", "source", "atol", "right"), TABLE)
def test_values_are_compared_as_in_python_and_decimal_numbers_by_the_tolerance(
    executor, value, source, atol, right, call
):
    code = f"from math import inf, nan\ndef f(): return {value}\n"
    outcome = executor.run_one(Program(code, (IoTest(call=call, expected=source, atol=atol),)))
    assert outcome.verdict == ("passed" if right else "wrong_answer"), outcome.feedback
    assert outcome.inside == (call != "f()")


@pytest.mark.parametrize(
    ("value", "source", "atol", "right"),
    [
        ("[(1, 2), {'a': (3,)}]", "[[1, 2], {'a': [3]}]", None, True),
        ("([1, 2], {'a': [3]})", "[[1, 2], {'a': [3]}]", None, True),
        ("[(1, 3), {'a': (3,)}]", "[[1, 2], {'a': [3]}]", None, False),
        ("[1.0000001]", "(1.0,)", 1e-6, True),
        ("(1000000006,)", "[1000000007]", 1e-6, False),
    ],
)
def test_tuples_may_be_as_right_as_lists(executor, value, source, atol, right):
    test = IoTest(call="f()", expected=source, atol=atol, tuples_as_lists=True)
    outcome = executor.run_one(Program(f"def f(): return {value}\n", (test,)))
    assert outcome.verdict == ("passed" if right else "wrong_answer"), outcome.feedback
