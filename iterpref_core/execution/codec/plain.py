"""Plain values as trees of JSON: what `canonical` texts and messages (`crossing`) have in common.

None, truth values, numbers, texts and lists are themselves; the rest is an object with one key that names its type:

    t  tuple    s  set    f  frozenset    d  dictionary, as pairs    b  bytes    c  complex number
    u  Ellipsis, NotImplemented    i  an integer with more digits than JSON can hold
    z  an object of a class whose objects are data: the class's name, and the parts that make an equal object

Types are told apart by identity: a metaclass may lie about equality and hash.
"""

import decimal
import fractions
import json
import sys
import types
from collections.abc import Callable, Iterable
from typing import Any

Tree = Any
_DIGITS = 4300
"""Python's own limit for integers as decimal text, whatever a program or a test has set it to."""
_BIG = 10**_DIGITS
SCALARS = frozenset(map(id, (type(None), bool, str, float)))
"""Types whose values are their own trees."""
_SCALARS_AND_INT = SCALARS | {id(int)}
NESTED = frozenset({list, dict})
"""Types of trees that are not the value itself."""
_get_digits = sys.get_int_max_str_digits
_set_digits = sys.set_int_max_str_digits
to_json = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
"""Return the JSON of a tree, under whatever limit for integers there is."""
_SINGLE = {"...": Ellipsis, "NotImplemented": NotImplemented}


def with_digits(digits: int, function: Callable[[Any], Any], value: Any) -> Any:
    """Return the result of a function under a limit for integers as decimal text; 0: there is none."""
    before = _get_digits()
    if before == digits:
        return function(value)
    _set_digits(digits)
    try:
        return function(value)
    finally:
        _set_digits(before)


def with_pythons_digits(function: Callable[[Any], Any], value: Any) -> Any:
    """Return the result of a function under Python's own limit."""
    return with_digits(_DIGITS, function, value)


def are_scalars(values: Iterable[Any], *, tag_ints: bool) -> bool:
    """Tell whether all values are their own trees; integers are, unless some have to be tagged."""
    return set(map(id, map(type, values))) <= (SCALARS if tag_ints else _SCALARS_AND_INT)


def integer(value: int, *, tag_ints: bool) -> Tree:
    """Return the tree of an integer; tagged, one with more digits than JSON can hold is in another form."""
    return {"i": hex(value)} if tag_ints and not -_BIG < value < _BIG else value


ATOMS: dict[int, Callable[[Any], Tree]] = {
    id(bytes): lambda value: {"b": value.hex()},
    id(complex): lambda value: {"c": [value.real, value.imag]},
    id(types.EllipsisType): lambda _: {"u": "..."},
    id(types.NotImplementedType): lambda _: {"u": "NotImplemented"},
}
"""Makers of the trees of other values without items, by the identity of their types."""
FROM_ATOM: dict[str, Callable[[Any], Any]] = {
    "b": bytes.fromhex,
    "c": lambda body: complex(*body),
    "i": lambda body: int(body, 16),
    "u": _SINGLE.__getitem__,
}
"""Readers of such trees, by their tags. A tree may be anything: what `ATOMS` does not write raises an error."""
NUMBERS: dict[type, Callable[[Any], tuple[Any, ...]]] = {
    decimal.Decimal: lambda value: (str(value),),
    fractions.Fraction: lambda value: (value.numerator, value.denominator),
}
"""Numbers that are objects, with the parts that make an equal one."""
