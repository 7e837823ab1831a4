"""Write values and messages for people, short, stable and printable."""

import math
import re
from collections.abc import Iterable
from typing import Any

from ..codec.canonical import Digest

_MAX_SHOWN = 65_536
_MOST_BITS = 10_000
"""Python writes no integer of more decimal digits than 4,300."""

_ADDRESS = re.compile(r"(?<= at )0x[0-9a-fA-F]*|0x[0-9a-fA-F]+(?=>)|(?<=\.\.\.)x?[0-9a-fA-F]+(?=>)")
"""An address, whole or cut: `<A at 0x7f00fe30...>`, `<generator ob...x7f00fe300880>`. `'0xff'` is a value."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")


def shorten(text: str, limit: int) -> str:
    """Return at most `limit` characters: the beginning, "...", and the end."""
    if len(text) <= limit:
        return text
    # `the beginning of a long te...e end`
    tail = limit // 4
    return f"{text[: limit - tail - 3]}...{text[-tail:]}"


def clean(text: str, limit: int) -> str:
    """Return a text as one printable line without addresses, shortened; blanks within a line stay as they are."""
    # Addresses and control characters change the length, so that it is cut once before, generously, and once after.
    lines = [line.strip() for line in shorten(text, 4 * limit).split("\n")]
    joined = " ".join(line for line in lines if line)
    stable = _ADDRESS.sub("0x...", joined)
    printable = _CONTROL.sub(_escaped, stable)
    return shorten(printable, limit)


def _escaped(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()


def show(value: Any) -> str:
    """Return a plain value as `repr` has it, with sets in a fixed order and huge integers described.

    >>> show([{3, 1}, (2,)])
    '[{1, 3}, (2,)]'
    """
    kind = type(value)
    # `repr` of a larger integer raises an error.
    if kind is int and value.bit_length() >= _MOST_BITS:
        return f"an integer of about {int(value.bit_length() * math.log10(2))} digits"
    if kind is list:
        return f"[{_items(value)}]"
    if kind is tuple:
        # `(1,)` needs its comma.
        return f"({show(value[0])},)" if len(value) == 1 else f"({_items(value)})"
    if kind is dict:
        items = [f"{show(key)}: {show(item)}" for key, item in value.items()]
        return "{" + ", ".join(items) + "}"
    if kind is set and value:
        # The order of a set depends on the process, and feedback must not.
        return "{" + ", ".join(sorted(map(show, value))) + "}"
    if kind is frozenset and value:
        return f"frozenset({show(set(value))})"
    if kind is Digest:
        # `#70000:ab12…` is the digest of a value whose text has 70,000 bytes.
        return f"a value of {value[1:].partition(':')[0]} bytes"
    return repr(value)


def _items(values: Iterable[Any]) -> str:
    return ", ".join(map(show, values))


def shown(value: Any, text: str) -> str:
    """Return a value as `show` has it; where it is long or deep, its canonical text."""
    # Feedback shows 120 characters: a text of 64 KB needs no `repr`.
    if len(text) > _MAX_SHOWN:
        return text
    try:
        return show(value)
    except RecursionError:
        return text
