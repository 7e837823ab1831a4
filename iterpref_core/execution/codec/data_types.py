"""Types of the standard library whose objects are data: what each is made of, and how an equal one is made."""

import datetime as dt
import decimal
import fractions
import pathlib
from collections.abc import Callable, Iterable
from typing import Any

PARTS: dict[type, Callable[[Any], Iterable[Any]]] = {
    decimal.Decimal: lambda v: (str(v),),
    fractions.Fraction: lambda v: (v.numerator, v.denominator),
    range: lambda v: (v.start, v.stop, v.step),
    dt.date: lambda v: (v.year, v.month, v.day),
    dt.time: lambda v: (v.hour, v.minute, v.second, v.microsecond, v.tzinfo),
    dt.datetime: lambda v: (v.year, v.month, v.day, v.hour, v.minute, v.second, v.microsecond, v.tzinfo),
    dt.timedelta: lambda v: (v.days, v.seconds, v.microseconds),
    dt.timezone: lambda v: v.__getinitargs__(),
    pathlib.PosixPath: lambda v: (str(v),),
}
"""Types whose objects are data through and through, and the arguments that make an equal one."""
MAKERS = {kind.__name__: kind for kind in PARTS}
PART_TYPES = frozenset({int, str, type(None), dt.timedelta, dt.timezone})
"""Types of the arguments; those of a foreign message are checked."""
