"""Descriptions: the facts of a class as they cross, and the check of those that arrive.

What a class is said to be becomes a class here. So each fact is of its type, names are names, and nothing that is
described may have a name by which proxies are told from other objects.
"""

import re
from typing import Any

from .proxies import OF_MEMBERS, TEXTS

_NAMES = ("name", "qualname", "module")
_COMMON = frozenset({"sort", *_NAMES, "doc"})
_KEYS = {
    "object": _COMMON | {"bases", "methods", "coroutine", "function", "fields", "shared"},
    "exception": _COMMON | {"bases", "methods"},
    "enum": _COMMON | {"enum", "mixin", "members", "attributes", "methods", "missing"},
    "namedtuple": _COMMON | {"fields", "defaults", "attributes"},
}
_POSITIONAL = re.compile(r"_\d+")


def check_facts(handle: Any, facts: Any) -> None:
    """Check the description of a class.

    Args:
        handle: the number of the class.
        facts: see `ObjectTable._describe`.

    Raises:
        TypeError: it is none that the other side would send.
    """
    if type(handle) is not int or type(facts) is not dict or facts.keys() != _KEYS.get(str(facts.get("sort"))):
        raise TypeError("no description of a class")
    texts = [facts[name] for name in _NAMES]
    if not _are(str, texts) or (facts["doc"] is not None and type(facts["doc"]) is not str):
        raise TypeError("no names of a class")
    checks = {
        "object": _check_object,
        "exception": _check_exception,
        "enum": _check_enum,
        "namedtuple": _check_namedtuple,
    }
    checks[facts["sort"]](facts)


def _are(kind: type, values: Any) -> bool:
    return type(values) is list and all(type(value) is kind for value in values)


def _check_bases(facts: dict[str, Any]) -> None:
    # A number is a class that was described before; a name is a builtin one: ["builtins", "ValueError"].
    if type(facts["bases"]) is not list or not all(type(base) is int or _are(str, base) for base in facts["bases"]):
        raise TypeError("no bases of a class")


def _check_object(facts: dict[str, Any]) -> None:
    _check_bases(facts)
    if not _are(str, facts["methods"]) or not _are(bool, [facts["coroutine"], facts["function"]]):
        raise TypeError("no methods of a class")
    if facts["fields"] is not None:
        _check_fields(facts["fields"])
    if facts["shared"] is not None and not _are(str, facts["shared"]):
        raise TypeError("no name of a class")


def _check_exception(facts: dict[str, Any]) -> None:
    _check_bases(facts)
    if not _are(str, facts["methods"]):
        raise TypeError("no methods of a class")


def _check_fields(fields: Any) -> None:
    if not _are(str, fields) or not all(name.isidentifier() for name in fields):
        raise TypeError("no fields of a class")
    if any(name.startswith(("__", "iterpref_", "_iterpref")) for name in fields):
        raise TypeError("no fields of a class")


def _check_attributes(names: Any) -> None:
    if not _are(str, names) or not all(name.isidentifier() and not name.startswith("_") for name in names):
        raise TypeError("no attributes of a class")


def _check_namedtuple(facts: dict[str, Any]) -> None:
    _check_fields(facts["fields"])
    _check_attributes(facts["attributes"])
    if type(facts["defaults"]) is not list:
        raise TypeError("no defaults of a named tuple")
    # `namedtuple(..., rename=True)` makes names such as `_1`; no other begins with an underscore.
    if any(name.startswith("_") and not _POSITIONAL.fullmatch(name) for name in facts["fields"]):
        raise TypeError("no fields of a named tuple")


def _check_enum(facts: dict[str, Any]) -> None:
    _check_attributes(facts["attributes"])
    methods = facts["methods"]
    if not _are(str, methods) or not OF_MEMBERS.issuperset(methods) or type(facts["missing"]) is not bool:
        raise TypeError("no methods of an enumeration")
    if (facts["mixin"] or facts["enum"] not in ("Enum", "Flag")) and not TEXTS.issuperset(methods):
        raise TypeError("no methods of a plain value")
    if not _are(str, [facts["enum"], facts["mixin"]]) or type(facts["members"]) is not list:
        raise TypeError("no enumeration")
    for member in facts["members"]:
        if type(member) is not list or len(member) != 2 or type(member[0]) is not str:
            raise TypeError("no member of an enumeration")
        name = member[0]
        # Python itself takes `__eq__` for a method, and `_value_` for its own.
        if not name.isidentifier() or name.startswith(("__", "iterpref_")) or (name[0] == "_" == name[-1]):
            raise TypeError("no name of a member")
