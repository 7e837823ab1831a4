"""Values out of the sandbox, and what tests expect: exact types, canonical texts."""

import collections
import copy
import enum
import math
import re
import sys
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterpref_core.execution.codec.canonical import Digest, UnencodableError, decode, encode, summarize
from iterpref_core.execution.comparison.expectations import expect
from iterpref_core.execution.protocol.value_texts import clean, show
from iterpref_core.execution.ruling.feedback import MAX_FEEDBACK, with_printed
from iterpref_core.execution.ruling.verdicts import MALFORMED

VALUES = [
    -(10**5000), math.inf, -math.inf, "a\nb\0\ud800é", 10**4299, [10**4300, 1.5], {-(10**4300)}, [2**64, 1], [True, 1],
]  # fmt: skip


KEYS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda parts: st.lists(parts, max_size=3).map(tuple) | st.frozensets(parts, max_size=3),
    max_leaves=4,
)
ANY_VALUE = st.recursive(
    KEYS | st.complex_numbers(allow_nan=False, allow_infinity=False),
    lambda parts: (
        st.lists(parts, max_size=3)
        | st.lists(parts, max_size=3).map(tuple)
        | st.dictionaries(KEYS, parts, max_size=3)
        | st.sets(KEYS, max_size=3)
    ),
    max_leaves=8,
)


def exact(value):
    """A value with the types of all that it holds; of sets and dictionaries the order does not count."""
    if type(value) in (list, tuple):
        return type(value), tuple(map(exact, value))
    if type(value) in (set, frozenset):
        return type(value), frozenset(map(exact, value))
    if type(value) is dict:
        return dict, frozenset((exact(key), exact(item)) for key, item in value.items())
    return type(value), value


def check_round_trip(value):
    text = encode(value)
    assert "\n" not in text
    assert exact(decode(text)) == exact(value)
    assert encode(decode(text)) == text


@given(ANY_VALUE)
def test_any_value_comes_back_with_its_types(value):
    check_round_trip(value)


def test_values_at_the_edges_come_back_with_their_types():
    for value in VALUES:
        check_round_trip(value)


@given(ANY_VALUE, ANY_VALUE)
def test_an_expected_value_holds_for_equal_values_alone(value, other):
    wanted = expect(repr(value))
    assert wanted.holds(value)
    assert wanted.holds(other) == (value == other)


def test_the_program_s_own_digit_limit_changes_nothing():
    value = [10**6000]
    text = encode(value)
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        assert encode(value) == text
        assert sys.get_int_max_str_digits() == 0
    finally:
        sys.set_int_max_str_digits(before)


def test_equal_values_have_equal_texts():
    assert encode({2: 1, 1: 2}) == encode({1: 2, 2: 1})
    assert encode({0, 8, 16}) == encode({16, 8, 0})


class Color(enum.IntEnum):
    RED = 3


class Name(enum.StrEnum):
    A = "a"


Point = collections.namedtuple("Point", "x y")


class Lying(list):
    def __iter__(self):
        return iter([9])

    def __eq__(self, other):
        return True

    __hash__ = None


class Sub(int):
    pass


HELD = [
    (Point(1, 2.5), (1, 2.5)), (collections.Counter("ab"), {"a": 1, "b": 1}), (collections.OrderedDict(a=1), {"a": 1}),
    (np.bool_(True), True), (np.int64(-4), -4), ([np.float64(0.5)], [0.5]), (Color.RED, 3), (Name.A, "a"),
    (Sub(1), 1), ({1: (Sub(2),)}, {1: (2,)}),
    (Fraction(1, 2), 0.5), (Decimal("1.5"), 1.5), ({1: 2}.keys(), {1}), ({1: 2}.items(), {(1, 2)}),
    (bytearray(b"x"), b"x"), (np.float16(3.5), 3.5), (np.complex64(1 + 2j), 1 + 2j),
]  # fmt: skip


@pytest.mark.parametrize(("value", "held"), HELD)
def test_objects_of_known_classes_have_the_text_of_the_plain_value_that_they_hold(value, held):
    text = encode(value)
    assert decode(text) == held
    assert "numpy" not in type(decode(text)).__module__


class Loud(enum.IntEnum):
    RED = 3

    def __int__(self):
        return 7


@pytest.mark.parametrize(
    ("value", "name"),
    [(object(), "object"), ([1, Lying([1])], "Lying"), (range(3), "range"), (Loud.RED, "Loud"), (np.str_("a"), "str_"),
     (np.zeros(2), "ndarray"), (Fraction(1, 3), "Fraction"), (Decimal("inf"), "Decimal"),
     ({1: []}.items(), "dict_items"), (print, "builtin_function_or_method")],
)  # fmt: skip
def test_other_types_are_refused_by_name(value, name):
    with pytest.raises(UnencodableError, match=f"^{name}$"):
        encode(value)


def test_large_values_become_digests():
    texts = ["x" * 1000] * 5000
    alike = [texts, [*texts[:-1], ""], "x" * (5 << 20)]
    digests = [summarize(value) for value in alike]
    assert {type(decode(digest)) for digest in digests} == {Digest}
    assert len(set(digests)) == len(alike)
    assert summarize(copy.copy(texts)) == digests[0]
    assert re.fullmatch(r"a value of \d{7} bytes", show(decode(digests[0])))
    assert summarize(["a" * 5000]) == encode(["a" * 5000])


@pytest.mark.parametrize(
    "text",
    ["", "{", "[1", '{"x":1}', '{"t":1}', '{"s":[[1]]}', '{"t":[],"d":[]}', "[" * 10**5, f'{{"c":[{10**400},1]}}',
     '{"n":["int8",1000]}', '{"q":"1/0"}', '{"d":[1]}', '{"t":1,"s":2}'],
)  # fmt: skip
def test_malformed_texts_are_refused(text):
    with pytest.raises(MALFORMED):
        decode(text)


@pytest.mark.parametrize("source", ["f(1)", "x", "1 +", "", "__import__('os')", "(" * 1000])
def test_no_literals(source):
    with pytest.raises(ValueError, match="not a Python literal"):
        expect(source)


@pytest.mark.parametrize("source", ["nan", "[nan]", "{nan}", "{1: (nan, 2)}"])
def test_a_number_that_is_none_is_right_where_it_is_expected(source):
    value = eval(source, {"nan": math.nan})
    assert encode(value) == expect(source).text


def test_feedback_is_short_and_clean():
    assert clean("a\n  b\0 <x at 0x7f12345678>", 100) == r"a b\x00 <x at 0x...>"
    assert clean("'a  b'\tc", 100) == r"'a  b'\tc"
    assert clean("\ud800", 10) == r"\ud800"
    assert len(clean("x" * 10**6, 100)) == 100
    assert show({"b", "a"}) == "{'a', 'b'}"
    assert show([(1,), {2: frozenset()}, set()]) == "[(1,), {2: frozenset()}, set()]"
    assert show(10**100_000) == "an integer of about 100000 digits"
    assert len(with_printed("x" * 900, "\ufffd" * 5000)) == MAX_FEEDBACK
