"""Values out of the sandbox, and what tests expect: exact types, canonical texts."""

import collections
import copy
import math
import sys

import pytest

from iterpref_core.execution.feedback import MAX_FEEDBACK, clean, one_line, show, with_printed
from iterpref_core.execution.sandbox.encoding import (
    NUMPY_SCALARS,
    Digest,
    MalformedError,
    UnencodableError,
    decode,
    encode,
    know_numpy,
    summarize,
)
from iterpref_core.execution.steps import expect, parse_literal, rewrite_assert

VALUES = [
    None, True, 0, -1, 2**63, -(10**5000), 1.0, 1e300, math.inf, -math.inf, 1 + 2j, "", "a\nb\0\ud800é", b"\x00\xff",
    [], [1, 2], [1, "a", None, 2.5], [[], [[]]], (), (1,), ((1, 2), [3]), {}, {1: "a", "1": [2]}, {(1, 2): {3}},
    [1, 2.5], 10**4299, [10**4300, 1.5], {-(10**4300)},
    set(), {1, 2, 3}, {"b", "a"}, frozenset(), frozenset({frozenset({1})}), [2**64, 1], [True, 1],
]  # fmt: skip


def same(left, right):
    return type(left) is type(right) and left == right


@pytest.mark.parametrize("value", VALUES, ids=[encode(value)[:30] for value in VALUES])
def test_round_trip(value):
    text = encode(value)
    assert "\n" not in text
    assert same(decode(text), value)
    assert encode(decode(text)) == text


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


def test_nan_comes_back():
    assert math.isnan(decode(encode(float("nan"))))


def test_equal_values_have_equal_texts_and_types_differ():
    assert encode({2: 1, 1: 2}) == encode({1: 2, 2: 1})
    assert encode({0, 8, 16}) == encode({16, 8, 0})
    assert len({encode(value) for value in (1, 1.0, True, "1", [1], (1,), {1}, frozenset({1}), b"1")}) == 9


Point = collections.namedtuple("Point", "x y")


class Liar(tuple):
    __slots__ = ()

    def __iter__(self):
        return iter([9])

    def __eq__(self, other):
        return True

    __hash__ = None


def test_by_value_a_named_tuple_is_what_it_holds():
    assert encode([Point(1, 2.5)], lenient=True) == encode([(1, 2.5)])
    assert encode(Liar([1, 2]), lenient=True) == encode((1, 2))
    with pytest.raises(UnencodableError, match="Point"):
        encode(Point(1, 2))


def test_by_value_numpy_s_scalars_are_themselves():
    import numpy as np

    know_numpy()
    for name in NUMPY_SCALARS:
        value = getattr(np, name)(1)
        assert same(decode(encode([value], lenient=True))[0], value)
        with pytest.raises(UnencodableError):
            encode(value)
    assert same(decode(encode(np.complex64(1 + 2j), lenient=True)), np.complex64(1 + 2j))
    with pytest.raises(UnencodableError, match="ndarray"):
        encode(np.zeros(2), lenient=True)
    with pytest.raises(MalformedError):
        decode('{"n":["load",1]}')


class Sub(int):
    pass


@pytest.mark.parametrize(
    ("value", "name"),
    [(Sub(1), "Sub"), ([1, Sub(1)], "Sub"), (object(), "object"), ({1: (Sub(2),)}, "Sub"), (range(3), "range"),
     (collections.Counter(), "Counter"), (bytearray(), "bytearray"), (print, "builtin_function_or_method")],
)  # fmt: skip
def test_other_types_are_refused_by_name(value, name):
    with pytest.raises(UnencodableError, match=f"^{name}$"):
        encode(value)


LARGE = [
    [n + 0.5 for n in range(200_000)],
    tuple(range(300_000)),
    [[n, "a"] for n in range(100_000)],
    "x\ud800" * 600_000,
]


@pytest.mark.parametrize("value", LARGE, ids=["floats", "ints", "nested", "text"])
def test_large_values_become_digests(value):
    digest = summarize(value)
    assert isinstance(decode(digest), Digest)
    assert digest == summarize(copy.deepcopy(value))
    assert show(decode(digest)) == f"a value of {digest.size} bytes"
    assert digest.size > 2**20


def test_large_values_that_differ_have_different_digests():
    numbers = list(range(300_000))
    alike = [numbers, tuple(numbers), [*numbers[:-1], 0], [*numbers[:-1], 299_999.0], [[n] for n in numbers]]
    assert len({summarize(value) for value in [*alike, tuple(alike[-1])]}) == 6


@pytest.mark.parametrize(
    "value", [list(range(3000)), ["a" * 5000], "a" * 5000, [[1]] * 3000], ids=["ints", "long", "text", "nested"]
)
def test_smaller_ones_stay_text(value):
    assert summarize(value) == encode(value)


def test_lenient_takes_dict_likes_for_dicts():
    assert encode(collections.OrderedDict(a=1), lenient=True) == encode({"a": 1})


@pytest.mark.parametrize("text", ["", "{", "[1", '{"x":1}', '{"t":1}', '{"s":[[1]]}', '{"t":[],"d":[]}', "[" * 10**5])
def test_malformed_texts_are_refused(text):
    with pytest.raises(MalformedError):
        decode(text)


@pytest.mark.parametrize(
    ("source", "value"),
    [("3", 3), (" [1, -2.5] ", [1, -2.5]), ("set()", set()), ("frozenset({1})", frozenset({1})), ("(1+2j)", 1 + 2j),
     ("inf", math.inf), ("-inf", -math.inf), ("[float('inf')]", [math.inf]), ("{'a': (1,)}", {"a": (1,)})],
)  # fmt: skip
def test_literals(source, value):
    assert same(parse_literal(source), value)


@pytest.mark.parametrize("source", ["f(1)", "x", "1 +", "", "__import__('os')", "(" * 1000])
def test_no_literals(source):
    with pytest.raises(ValueError, match="not a Python literal"):
        expect(source)


@pytest.mark.parametrize(
    ("source", "calls"),
    [
        ("assert f(1) == 2", [("lenient", "f(1)", "2")]),
        ("assert 2 == f(1)", [("lenient", "f(1)", "2")]),
        ("assert f(1) == [1, 'a'], 'message'", [("lenient", "f(1)", "[1, 'a']")]),
        ("assert f(1) is True", [("call", "f(1)", "True")]),
        ("assert f(1) == 2\nassert f(2)[0] == 3", [("lenient", "f(1)", "2"), ("lenient", "f(2)[0]", "3")]),
        ("assert f(1) == g(2)", None),
        ("assert f(1) is 'a'", None),
        ("assert f(1) != 2", None),
        ("assert f(1)", None),
        ("assert 1 < f(1) == 2", None),
        ("x = 2\nassert f(1) == x", None),
        ("not python", None),
    ],
)
def test_asserts_are_rewritten_where_they_can_be(source, calls):
    rewritten = rewrite_assert(source)
    found = None if rewritten is None else [(kind, call, expected.source) for kind, call, expected in rewritten]
    assert found == calls


def test_feedback_is_short_and_clean():
    assert clean("a\n  b\0 <x at 0x7f12345678>", 100) == r"a b\x00 <x at 0x...>"
    assert clean("'a  b'\tc", 100) == r"'a  b'\tc"
    assert one_line("f(\n  'a  b',\n 1)") == "f('a  b', 1)"
    assert clean("\ud800", 10) == r"\ud800"
    assert len(clean("x" * 10**6, 100)) == 100
    assert show({"b", "a"}) == "{'a', 'b'}"
    assert show([(1,), {2: frozenset()}, set()]) == "[(1,), {2: frozenset()}, set()]"
    assert show(10**100_000) == "an integer of about 100000 digits"
    assert len(with_printed("x" * 900, b"\xff" * 5000)) == MAX_FEEDBACK
