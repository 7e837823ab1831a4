"""Types that only annotations have, such as `list[int]`, `int | None` and `typing.Optional[int]`, as they cross.

Each is a form and the types in it: `list[int]` is `[]` with `list` and `int`, `int | None` is `|` with those two, and
`typing.Optional[int]` is `Union`, a name in `typing`, with the same.
"""

import functools
import operator
import sys
import types
from collections.abc import Sequence
from typing import Any

_FORMS = frozenset(
    {
        *("Any", "Union", "Literal", "Callable", "Type", "List", "Dict", "Set", "FrozenSet", "Tuple"),
        *("Deque", "DefaultDict", "Counter", "OrderedDict", "Iterable", "Iterator", "Sequence", "Mapping"),
        *("Collection", "MutableMapping", "MutableSequence", "Generator", "Awaitable", "Coroutine"),
    }
)
"""Names in `typing` that are annotations, and no functions or classes."""


def form_of(value: Any) -> tuple[str, tuple[Any, ...]] | None:
    """Return the name of an annotation's form, and the types in it; None if a value is none that crosses."""
    kind = type(value)
    if kind is types.GenericAlias:
        return "[]", (value.__origin__, *value.__args__)
    if kind is types.UnionType:
        return "|", value.__args__
    typing = sys.modules.get("typing")
    if typing is None or kind.__module__ != "typing":
        return None
    origin = getattr(value, "__origin__", None)
    name = "Union" if origin is typing.Union else getattr(value, "_name", None)
    if name not in _FORMS:
        return None
    return name, getattr(value, "__args__", ())


def annotation_of(name: str, parts: Sequence[Any]) -> Any:
    """Return the annotation of a form and the types in it.

    Raises:
        Exception: there is none such.
    """
    import typing

    if name == "[]":
        origin, *args = parts
        return types.GenericAlias(origin, tuple(args))
    if name == "|":
        return functools.reduce(operator.or_, parts)
    if name not in _FORMS:
        raise ValueError("no annotation")
    form: Any = getattr(typing, name)
    if not parts:
        return form
    if name == "Callable":
        *given, result = parts
        return form[..., result] if given == [...] else form[given, result]
    return form[tuple(parts)]
