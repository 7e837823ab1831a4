"""Types of the standard library whose objects are data: what each is made of, and how an equal one is made."""

import collections
import datetime as dt
import pathlib
import re
import sys
import time
import types
import uuid
import zoneinfo
from collections.abc import Callable, Iterable
from typing import Any

from .plain import NUMBERS

MAPPINGS: dict[str, type] = {
    "OrderedDict": collections.OrderedDict,
    "Counter": collections.Counter,
    "defaultdict": collections.defaultdict,
}
HOLDERS: dict[type, tuple[str, type] | None] = {
    types.SimpleNamespace: None,
    collections.UserDict: ("data", dict),
    collections.UserList: ("data", list),
    collections.UserString: ("data", str),
    collections.ChainMap: ("maps", list),
}
"""Types whose objects are their attributes, and the one attribute that each has, with its type, where that is given."""
HOLDERS_BY_NAME = {kind.__name__: kind for kind in HOLDERS}
VIEWS: dict[type, str] = {
    type({}.keys()): "keys",
    type({}.values()): "values",
    type({}.items()): "items",
    types.MappingProxyType: "proxy",
}
ADDRESSES = frozenset(f"IPv{version}{kind}" for version in (4, 6) for kind in ("Address", "Network", "Interface"))
"""Classes of `ipaddress`, which few programs import."""

PARTS: dict[type, Callable[[Any], Iterable[Any]]] = {
    range: lambda v: (v.start, v.stop, v.step),
    slice: lambda v: (v.start, v.stop, v.step),
    **NUMBERS,
    dt.date: lambda v: (v.year, v.month, v.day),
    dt.time: lambda v: (v.hour, v.minute, v.second, v.microsecond, v.tzinfo, v.fold),
    dt.datetime: lambda v: (v.year, v.month, v.day, v.hour, v.minute, v.second, v.microsecond, v.tzinfo, v.fold),
    dt.timedelta: lambda v: (v.days, v.seconds, v.microseconds),
    dt.timezone: lambda v: v.__getinitargs__(),
    uuid.UUID: lambda v: (v.hex,),
    pathlib.PosixPath: lambda v: (str(v),),
    pathlib.PurePosixPath: lambda v: (str(v),),
    pathlib.PureWindowsPath: lambda v: (str(v),),
    time.struct_time: lambda v: (*v, v.tm_zone, v.tm_gmtoff),
    zoneinfo.ZoneInfo: lambda v: (v.key,),
    re.Pattern: lambda v: (v.pattern, v.flags),
}
"""Types whose objects are data through and through, and the arguments that make an equal one."""
MAKERS: dict[str, Any] = {kind.__name__: kind for kind in PARTS} | {
    "Pattern": re.compile,
    "memoryview": memoryview,
    "time": lambda *parts: dt.time(*parts[:-1], fold=parts[-1]),
    "datetime": lambda *parts: dt.datetime(*parts[:-1], fold=parts[-1]),  # noqa: DTZ001 - as it was
    "struct_time": lambda *parts: time.struct_time(parts),
}
"""Makers of objects from those arguments, by the names of their types."""
PART_TYPES = frozenset({int, str, bytes, type(None), dt.timedelta, dt.timezone, zoneinfo.ZoneInfo})
"""Types of the arguments, but for those of `slice`, which may be anything."""


def is_whole(kind: type, held: dict[Any, Any]) -> bool:
    """Tell whether attributes are those that an object of one of `HOLDERS` has."""
    only = HOLDERS[kind]
    if only is None:
        return all(type(name) is str for name in held)
    name, type_of_it = only
    return held.keys() == {name} and type(held[name]) is type_of_it


def is_address(kind: type) -> bool:
    """Tell whether a type is one of `ADDRESSES`."""
    ipaddress = sys.modules.get("ipaddress")
    return ipaddress is not None and kind.__name__ in ADDRESSES and vars(ipaddress).get(kind.__name__) is kind
