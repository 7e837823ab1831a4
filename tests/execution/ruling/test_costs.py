"""Costs of reading what a program wrote: 100 KB, the worst of each grammar, take no longer than plain loops do."""

import contextlib
import gc
import math
import time
import tracemalloc
from functools import partial

import pytest

from iterpref_core.execution import Limits, Program
from iterpref_core.execution.codec.canonical import decode
from iterpref_core.execution.comparison.expectations import expect
from iterpref_core.execution.comparison.token_comparison import first_difference
from iterpref_core.execution.parsing.assertions import read_assertion
from iterpref_core.execution.protocol.jobs import Answer
from iterpref_core.execution.protocol.machine_paths import MachinePaths
from iterpref_core.execution.protocol.value_texts import clean, shown
from iterpref_core.execution.ruling import feedback
from iterpref_core.execution.ruling.steps import plan_of
from iterpref_core.execution.ruling.verdicts import MALFORMED, MAX_REPORT, Trial, parse_channel
from iterpref_core.records import AssertTest, IoTest

SIZE = 100_000
BUDGET = 60
"""Plain loops over the same number of items: 25 suffice on a quiet machine; quadratic time takes hundreds."""
RUNS = 5
ONE_HASH = 2**61 - 1
"""Multiples of it have the hash 0."""


def nested(opening, closing, depth):
    return opening * depth + closing * depth


def filled(part, separator=""):
    """Return a part, as often as there is room for it."""
    return separator.join([part] * (SIZE // len(part + separator)))


def of_one_hash(items, opening, closing):
    """Return sets, or dictionaries, of long tuples with one hash, which are alike to their last number."""
    most = "1.5," * (SIZE // items // 4 - 12)
    tuples = [f'{{"t":[{most}{n * ONE_HASH}]}}' for n in range(items)]
    return f'{{"{opening}":[{",".join(each + closing if closing == "" else f"[{each},0]" for each in tuples)}]}}'


TOKENS = {
    "digits and a letter": ("1" * SIZE + "x", "2", None),
    "a point in the middle": ("1" * (SIZE // 2) + "." + "1" * (SIZE // 2) + "x", "2.0", None),
    "many numbers": (filled("1.0 "), filled("1 "), None),
    "many near numbers": (filled("0.10 "), filled("0.2 "), 1.0),
    "a long number": ("9" * SIZE, "8" * SIZE, None),
    "exponents": (filled("1e999999999 "), filled("1e-999999999 "), 1.0),
    "equal exponents": (filled("1e999999999 "), filled("10e999999998 "), None),
    "letters": ("\u00df" * SIZE, "SS" * SIZE, None),
    "white space": (filled(" \n"), "x", None),
}
VALUES = {
    "numbers": f"[{filled('1', ',')}]",
    "long numbers": f"[{filled('9' * 4300, ',')}]",
    "a hexadecimal number": f'{{"i":"0x{filled("f")}"}}',
    "too deep": nested("[", "]", SIZE // 2),
    "deep": f"[{filled(nested('[', ']', 300), ',')}]",
    "a set": f'{{"s":[{",".join(map(str, range(SIZE // 6)))}]}}',
    "a set of one hash": f'{{"s":[{",".join(str(n * ONE_HASH) for n in range(SIZE // 20))}]}}',
    "a small set of one hash": of_one_hash(60, "s", ""),
    "a small dictionary of one hash": of_one_hash(60, "d", ",0"),
    "a dictionary": f'{{"d":[{",".join(f"[{n},0]" for n in range(SIZE // 10))}]}}',
    "no numbers": f"[{filled('NaN', ',')}]",
    "escapes": f'["{filled(chr(92) + "u0041")}"]',
}
TEXTS = {
    "addresses": filled("0x" + "f" * 6),
    "one address": "0x" + filled("f"),
    "control characters": filled("\0"),
    "lines": filled(" x \n"),
    "paths": filled("/tmp/x7/w "),
    "nearly paths": filled("/home/me/lib/python3.1"),
    "slashes": filled("/"),
}
CONDITIONS = [
    "assert f(1) == [1]", "assert f(1) == {1, 2}", "assert f(1) != 'aaaaaaaab'", "assert f(1) < 5", "assert not f(1)",
    "assert abs(f(1) - 0.5) < 1e-6", "assert math.isclose(f(1), 0.5)",
]  # fmt: skip
EXPECTED = [expect(source, atol) for source in ("[1]", "{1, 2}", "{1: 2}", "0.5") for atol in (None, 1e-6)]
PATHS = MachinePaths([("/home/me/lib/python3.11", "lib"), ("/tmp/x7/w", "."), ("/usr", "usr")])


def seconds(function):
    """Return the CPU seconds that a function takes, without searches for garbage among the objects of other tests."""
    gc.disable()
    start = time.process_time()
    with contextlib.suppress(*MALFORMED):  # an error is an end as well
        function()
    taken = time.process_time() - start
    gc.enable()
    return taken


def plain_loop():
    """Add up a number for each character."""
    total = 0
    for number in range(SIZE):
        total += number
    return total


def cost(function):
    """Return the CPU time of a function in plain loops; the least of several runs, since a machine may be busy."""
    least = math.inf
    for _ in range(RUNS):
        least = min(least, seconds(function) / seconds(plain_loop))
        if least < BUDGET:
            break
    return least


@pytest.mark.parametrize("name", TOKENS)
def test_outputs_are_compared_in_time(name):
    printed, expected, tolerance = TOKENS[name]
    assert cost(lambda: first_difference(printed, expected, tolerance=tolerance, ignore_case=True)) < BUDGET


@pytest.mark.parametrize("name", VALUES)
def test_values_are_read_shown_and_compared_in_time(name):
    text = VALUES[name]
    assert cost(lambda: decode(text)) < BUDGET
    try:
        value = decode(text)
    except MALFORMED:
        return
    assert cost(lambda: shown(value, text[:9])) < BUDGET
    assert cost(lambda: PATHS.hide(value)) < BUDGET
    for expected in EXPECTED:
        assert cost(partial(expected.holds, value)) < BUDGET
    for source in CONDITIONS:
        assertion = read_assertion(source)
        assert assertion is not None
        assert cost(partial(assertion.expected.holds, value)) < BUDGET, source


@pytest.mark.parametrize("name", TEXTS)
def test_texts_are_made_ready_for_people_in_time(name):
    text = TEXTS[name]
    facts = {"type": text, "message": text, "line": 1, "test_line": 1}
    for function in (
        lambda: PATHS.hide(text),
        lambda: clean(text, 600),
        lambda: feedback.wrong_value("f(1)", text, "1"),
        lambda: feedback.wrong_output("the program", text, "1"),
        lambda: feedback.wrong_type("f(1)", text, "1"),
        lambda: feedback.with_printed("f(1)", text),
        lambda: feedback.error_text(facts, text),
        lambda: feedback.failed_check("assert f(1)", facts),
    ):
        assert cost(function) < BUDGET


@pytest.mark.parametrize("line", [b"\n", b"k 0 value 0 1\n", b"k " + b"9" * 4000 + b" value 0 1\n", b" ", b"x"])
def test_reports_are_told_apart_in_time(line):
    channel = line * (SIZE // len(line))
    assert cost(lambda: list(parse_channel(channel, "k"))) < BUDGET


def ruled(program, channel):
    answer = Answer("", 0, 0.0, MachinePaths([("/job", ".")]), b"", 0, channel)
    return Trial(program, plan_of(program).steps, Limits(), answer, "k").rule()


RAISES = AssertTest(code="import pytest\nwith pytest.raises(ValueError): f(1)")
FORGED = {
    "no key": b"0 value 0 2\n",
    "another key": b"x 0 value 0 2\nx 1 done 0 \n",
    "another order": b"k 1 value 0 1\n",
    "another kind": b"k 0 passed 0 \n",
    "no number": b"k x value 0 1\n",
    "no value": b"k 0 value 0 {\n",
    "no facts": b"k 0 error 0 {}\n",
    "facts of other types": b'k 0 error 0 {"type":[],"bases":1,"message":2,"suite":3,"line":[],"syntax":0}\n',
    "no names": b"k 0 raised 0 5\n",
    "not UTF-8": b"k 0 value 0 \xff\n",
    "a report more": b"k 0 value 0 1\nk 1 done 0 \nk 2 done 0 \n",
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_report_is_no_pass(name):
    for test in (IoTest(call="f(1)", expected="2"), RAISES):
        outcome = ruled(Program("", (test,)), b"k -1 loaded 0 \n" + FORGED[name])
        assert outcome.verdict in (
            ["tampered"] if "key" in name else ["tampered", "wrong_answer", "exception", "exited_early"]
        )
        assert len(outcome.exception) < 100


def test_a_program_that_ends_after_its_last_test_has_not_passed():
    outcome = ruled(Program("", (IoTest(call="f(1)", expected="1"),)), b"k -1 loaded 0 \nk 0 value 0 1\n")
    assert (outcome.verdict, outcome.feedback) == ("exited_early", "the process ended after the last test")


def test_a_report_that_no_value_needs_is_not_decoded():
    channel = b"k -1 loaded 0 \nk 0 value 0 [" + b"[]," * MAX_REPORT + b"[]]\n"
    tracemalloc.start()
    outcome = ruled(Program("", (IoTest(call="f(1)", expected="1"),)), channel)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert outcome.verdict == "tampered"
    assert peak < MAX_REPORT
