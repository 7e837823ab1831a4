"""Texts of values and messages for people: short, stable, printable."""

import math
import re
from collections.abc import Callable
from typing import Any

from iterpref_core.execution.sandbox.encoding import Digest

_MAX_SHOWN = 65_536

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{6,}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")


def shorten(text: str, limit: int) -> str:
    """At most `limit` characters: the beginning, "...", and the end."""
    if len(text) <= limit:
        return text
    tail = limit // 4
    return f"{text[: limit - tail - 3]}...{text[-tail:]}"


def clean(text: str, limit: int) -> str:
    """One line of printable text without addresses, shortened; blanks within a line stay as they are."""
    lines = (line.strip() for line in shorten(text, 4 * limit).split("\n"))
    text = _ADDRESS.sub("0x...", " ".join(line for line in lines if line))
    printable = _CONTROL.sub(_escaped, text)
    return shorten(printable, limit)


def _escaped(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()


def _show_int(value: int) -> str:
    if value.bit_length() < 10_000:
        return repr(value)
    return f"an integer of about {int(value.bit_length() * math.log10(2))} digits"


_SHOW: dict[type, Callable[[Any], str]] = {
    int: _show_int,
    list: lambda value: f"[{', '.join(map(show, value))}]",
    tuple: lambda value: f"({', '.join(map(show, value))}{',' if len(value) == 1 else ''})",
    dict: lambda value: f"{{{', '.join(f'{show(key)}: {show(item)}' for key, item in value.items())}}}",
    set: lambda value: f"{{{', '.join(sorted(map(show, value)))}}}" if value else "set()",
    Digest: lambda value: f"a value of {value[1:].partition(':')[0]} bytes",
    frozenset: lambda value: f"frozenset({show(set(value)) if value else ''})",
}


def show(value: Any) -> str:
    """Like `repr`, for plain values, with sets in a fixed order and huge integers described."""
    return _SHOW.get(type(value), repr)(value)


def shown(value: Any, text: str) -> str:
    """A value as `show` has it; where it is long or deep, its canonical text."""
    try:
        return show(value) if len(text) <= _MAX_SHOWN else text
    except RecursionError:
        return text
