"""Texts of values and messages for people: short, stable, printable."""

import math
import re
from collections.abc import Callable
from typing import Any

from iterpref_core.execution.codec.canonical import Digest

_MAX_SHOWN = 65_536

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{6,}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")


def shorten(text: str, limit: int) -> str:
    """Return at most `limit` characters: the beginning, "...", and the end."""
    if len(text) <= limit:
        return text
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


def _show_int(value: int) -> str:
    if value.bit_length() < 10_000:
        return repr(value)
    return f"an integer of about {int(value.bit_length() * math.log10(2))} digits"


def _show_list(value: list[Any]) -> str:
    items = ", ".join(map(show, value))
    return f"[{items}]"


def _show_tuple(value: tuple[Any, ...]) -> str:
    items = ", ".join(map(show, value))
    if len(value) == 1:
        items += ","
    return f"({items})"


def _show_dict(value: dict[Any, Any]) -> str:
    items = [f"{show(key)}: {show(item)}" for key, item in value.items()]
    return "{" + ", ".join(items) + "}"


def _show_set(value: set[Any]) -> str:
    if not value:
        return "set()"
    return "{" + ", ".join(sorted(map(show, value))) + "}"


def _show_frozenset(value: frozenset[Any]) -> str:
    if not value:
        return "frozenset()"
    return f"frozenset({show(set(value))})"


def _show_digest(value: Digest) -> str:
    # `#70000:ab12…` is the digest of a value whose text has 70,000 bytes.
    size = value[1:].partition(":")[0]
    return f"a value of {size} bytes"


_SHOW: dict[type, Callable[[Any], str]] = {
    int: _show_int,
    list: _show_list,
    tuple: _show_tuple,
    dict: _show_dict,
    set: _show_set,
    frozenset: _show_frozenset,
    Digest: _show_digest,
}


def show(value: Any) -> str:
    """Return a plain value as `repr` has it, with sets in a fixed order and huge integers described.

    >>> show([{3, 1}, (2,)])
    '[{1, 3}, (2,)]'
    """
    as_text = _SHOW.get(type(value), repr)
    return as_text(value)


def shown(value: Any, text: str) -> str:
    """Return a value as `show` has it; where it is long or deep, its canonical text."""
    if len(text) > _MAX_SHOWN:
        return text
    try:
        return show(value)
    except RecursionError:
        return text
