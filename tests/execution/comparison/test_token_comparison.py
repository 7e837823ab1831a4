"""Comparison of what a script prints with what is expected: generated outputs, and a second reading of the rule."""

from dataclasses import dataclass
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterpref_core.execution.comparison.token_comparison import Difference, first_difference

PLACES = 20
"""A generated number has at most this many digits after its point, so that 50 digits hold each difference."""
WORDS = (
    "Yes", "YES", "no", "Stra\u00dfe", "STRASSE", "nan", "inf", "-inf", "0x10", "1_000", "1e", "--1", ".", "\u0663",
    "3", "a\u00a0b", "1e99999999999999999999",
)  # fmt: skip
"""Texts that equal no other one as numbers, though Python's `float` takes some for one."""


@dataclass(frozen=True)
class Token:
    """A text and the number that it writes; no number for a word."""

    text: str
    value: Fraction | None = None


@st.composite
def spelled(draw, value):
    """Return one of the ways to write a number: with zeros, a sign, a point or an exponent that change nothing."""
    mantissa = value * 10**PLACES
    assert mantissa.denominator == 1
    digits = str(abs(mantissa.numerator))
    exponent = -PLACES
    while len(digits) > 1 and digits.endswith("0") and (exponent < 0 or draw(st.booleans())):
        digits = digits[:-1]
        exponent += 1
    digits = "0" * draw(st.integers(0, 2)) + digits
    if exponent == 0 and draw(st.booleans()):
        text = digits  # an integer
    else:
        text, exponent = draw(pointed(digits + "0" * (zeros := draw(st.integers(0, 2))), exponent - zeros))
        if exponent or draw(st.booleans()):
            text += f"{draw(st.sampled_from('eE'))}{exponent:{draw(st.sampled_from(('', '+')))}}"
    sign = "-" if value < 0 else draw(st.sampled_from(("", "+")))
    return Token(sign + text, value)


@st.composite
def pointed(draw, digits, exponent):
    """Return digits with a point somewhere, and the power of ten that is left; with the point at its place, none."""
    wide = digits.rjust(1 - exponent, "0")
    place = draw(st.sampled_from((len(wide) + min(exponent, 0), *range(len(wide) + 1))))
    return f"{wide[:place]}.{wide[place:]}", exponent + len(wide) - place


@st.composite
def pairs_of_tokens(draw, tolerance):
    """Return a printed token and an expected one, which are often the same number, or one just within a tolerance."""
    if draw(st.booleans()):
        word = draw(st.sampled_from(WORDS))
        other = draw(st.sampled_from((word, word.upper(), word.lower())) | st.sampled_from(WORDS))
        return Token(word), Token(other)
    wanted = Fraction(draw(st.integers(-(10**18), 10**18)), 10 ** draw(st.integers(0, 9)))
    allowed = Fraction(repr(tolerance or 0.001)) * max(1, abs(wanted))
    off = draw(st.sampled_from((0, 0, Fraction(1, 2), 1, -1, Fraction(3, 2)))) * allowed
    return draw(spelled(wanted + off)), draw(spelled(wanted))


def are_the_same(printed, expected, tolerance, ignore_case):
    """Read the rule a second time, with fractions."""
    if ignore_case and printed.text.casefold() == expected.text.casefold():
        return True
    if printed.value is None or expected.value is None:
        return printed.text == expected.text
    if expected.text.lstrip("+-").isdigit() or tolerance is None:
        return printed.value == expected.value
    return abs(printed.value - expected.value) <= Fraction(repr(tolerance)) * max(1, abs(expected.value))


@given(data=st.data(), tolerance=st.sampled_from((None, 0.0, 1e-6, 0.001, 0.1, 5.0)), ignore_case=st.booleans())
def test_outputs_are_compared_token_by_token_as_text_or_as_numbers(data, tolerance, ignore_case):
    pairs = data.draw(st.lists(pairs_of_tokens(tolerance), max_size=4))
    printed = [token.text for token, _ in pairs]
    expected = [token.text for _, token in pairs]
    more = data.draw(st.sampled_from(([], [], ["7"])))
    longer = data.draw(st.sampled_from((printed, expected)))
    longer += more
    wanted = None
    for place, (ours, theirs) in enumerate(pairs, 1):
        if not are_the_same(ours, theirs, tolerance, ignore_case):
            wanted = Difference(place, ours.text, theirs.text)
            break
    else:
        if more:
            extra = ("7", None) if longer is printed else (None, "7")
            wanted = Difference(len(pairs) + 1, *extra)
    space = st.text(" \t\n\r\v\f", min_size=1, max_size=2)
    texts = []
    for tokens in (printed, expected):
        texts.append("".join(data.draw(space) + token for token in tokens) + data.draw(st.sampled_from(("", "\n"))))
    assert first_difference(*texts, tolerance=tolerance, ignore_case=ignore_case) == wanted


@pytest.mark.parametrize(
    ("printed", "expected", "tolerance", "same"),
    [
        ("9" * 5000, "9" * 5000 + ".0", None, True),
        ("0.1", "0.10000000000000001", None, False),
        ("50000000000000000", "50000000000000001", None, False),
        ("1e999999999", "0.5", 0.5, False),
        ("1e999999999", "1e999999999", None, True),
        ("1.1000000000000001", "1.0", 0.1, False),
        ("\u0663", "3", None, False),
        ("12", "1 2", None, False),
    ],
)
def test_numbers_may_have_any_size_and_no_digit_is_lost(printed, expected, tolerance, same):
    assert (first_difference(printed, expected, tolerance=tolerance) is None) == same
