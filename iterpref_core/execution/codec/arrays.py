"""Values of numpy as they cross: arrays, scalars and dtypes, each with its exact type, width and byte order.

An array of two numbers is `{"a": ["<f4", [2], "0000803f00000040"]}`: dtype, shape, bytes. One of objects is
`{"a": ["O", [2], [1, "x"]]}`, a scalar `{"n": ["<i2", "0300"]}`, a dtype with two fields
`{"T": [["x", "<i4"], ["y", "S3"]]}`.
"""

import math
import re
import sys
from typing import Any, Literal

from .plain import Tree

_DTYPE = re.compile(r"[<>|=]?([biufcSUMmV]\d+(\[\d*\w+\])?|[qQ])")
_KINDS = "biufcSUMm"
"""Kinds of dtypes whose values are numbers, texts and times."""
Widens = Literal["none", "infinite", "small"]
SUBCLASSES = ("matrix", "recarray")
"""Classes of arrays of numpy's own that hold nothing besides."""


def array_class(value: Any) -> str | None:
    """Return the name of an array's class; None if a value is no array that crosses as data."""
    numpy = sys.modules.get("numpy")
    if numpy is None or not hasattr(numpy, "ndarray"):
        return None
    kind = type(value)
    if kind is numpy.ndarray:
        return "ndarray" if value.dtype.char == "O" or is_plain(value.dtype) else None
    for name in SUBCLASSES:
        if kind is getattr(numpy, name):
            return name if is_plain(value.dtype) else None
    return None


def is_array(value: Any) -> bool:
    """Tell whether a value is an array of numpy's that crosses as data."""
    return array_class(value) is not None


def is_numpy_scalar(value: Any) -> bool:
    """Tell whether a value is a scalar of numpy's that crosses as data: a number, a text, a time or a row of fields."""
    numpy = sys.modules.get("numpy")
    if numpy is None or type(value).__module__ != "numpy" or not hasattr(numpy, "generic"):
        return False
    return isinstance(value, numpy.generic) and type(value) is not numpy.record and is_plain(value.dtype)


def is_dtype(value: Any) -> bool:
    """Tell whether a value is a dtype that crosses as data."""
    numpy = sys.modules.get("numpy")
    if numpy is None or not hasattr(numpy, "dtype") or not isinstance(value, numpy.dtype):
        return False
    return value.char == "O" or is_plain(value)


def is_plain(dtype: Any) -> bool:
    """Tell whether the bytes of a dtype are its values: no objects, no texts that lie elsewhere."""
    if dtype.kind in _KINDS:
        return True
    # Fields of a record, or with titles, are another dtype when they are read again.
    return dtype.kind == "V" and dtype.itemsize > 0 and not dtype.hasobject and dtype_of(tree_of_dtype(dtype)) == dtype


def tree_of_dtype(dtype: Any) -> Tree:
    """Return the tree of a dtype: its text, or a list of fields."""
    import numpy as np

    if dtype.char == "O":
        return "O"
    if dtype.names is not None:
        return np.lib.format.dtype_to_descr(dtype)
    text = dtype.str
    # On Linux `long long` is a type of its own, with the text of `long`.
    return text if np.dtype(text).char == dtype.char else text[0] + dtype.char


def dtype_of(tree: Tree) -> Any:
    """Return the dtype of a tree.

    Raises:
        ValueError: it is none.
    """
    import numpy as np

    return np.dtype(object) if tree == "O" else np.lib.format.descr_to_dtype(_description(tree))


def _description(tree: Tree) -> Any:
    if type(tree) is str and _DTYPE.fullmatch(tree):
        return tree
    if type(tree) not in (list, tuple) or not tree:
        raise ValueError("no dtype")
    fields = []
    for name, inner, *shape in tree:
        if type(name) is not str or len(shape) > 1:
            raise ValueError("no fields")
        fields.append((name, _description(inner), *map(tuple, shape)))
    return fields


def tree_of_array(value: Any) -> list[Tree]:
    """Return the class, if it is not the usual one, and the dtype, shape and bytes of an array without objects."""
    name = array_class(value)
    parts = [tree_of_dtype(value.dtype), list(value.shape), value.tobytes().hex()]
    return parts if name == "ndarray" else [*parts, name]


def tree_of_scalar(value: Any) -> list[Tree]:
    """Return the dtype and the bytes of a scalar."""
    # A text of numpy's is one of Python's, with the zeros at its end that an array would lose.
    if value.dtype.kind == "U":
        return ["U", str.__str__(value)]
    if value.dtype.kind == "S":
        return ["S", bytes.hex(value)]
    return [tree_of_dtype(value.dtype), value.tobytes().hex()]


def scalar_of(tree: Tree, data: str, *, widens: Widens) -> Any:
    """Return the scalar of a dtype and bytes; see `array_of`."""
    import numpy as np

    if tree == "U":
        return np.str_(data)
    if tree == "S":
        return np.bytes_(bytes.fromhex(data))
    return array_of(tree, [1], data, widens=widens)[0]


def array_of(tree: Tree, shape: list[int], data: str, name: str = "ndarray", *, widens: Widens) -> Any:
    """Return the array of a dtype, a shape and bytes.

    Args:
        tree: of the dtype.
        shape: of the array.
        data: its bytes in hexadecimal digits.
        name: of its class.
        widens: see `widened`.

    Raises:
        ValueError: there is none such.
    """
    import numpy as np

    dtype = dtype_of(tree)
    if dtype.hasobject or name not in ("ndarray", *SUBCLASSES):
        raise ValueError("no such array")
    made = np.frombuffer(bytearray.fromhex(data), dtype=dtype).reshape(shape)
    made = widened(made, widens)
    return made if name == "ndarray" else made.view(getattr(np, name))


def widened(value: Any, widens: Widens) -> Any:
    """Return an array, with doubles for numbers of less precision where those might pass for other numbers.

    numpy rounds the number that it compares such a one with: an infinite `float16` equals everything above 65504.

    Args:
        value: the array.
        widens: `small`: all of half precision, and infinite ones; `infinite`: those alone; `none`: no number.
    """
    import numpy as np

    dtype = value.dtype
    if widens == "none":
        return value
    if dtype.names is not None:
        fields = {name: widened(value[name], widens) for name in dtype.names}
        if all(fields[name].dtype == value[name].dtype for name in fields):
            return value
        wide = [(name, field.dtype, field.shape[value.ndim :]) for name, field in fields.items()]
        made = np.empty(value.shape, dtype=wide)
        for name, field in fields.items():
            made[name] = field
        return made
    doubles = {"f": np.dtype(np.float64), "c": np.dtype(np.complex128)}.get(dtype.kind)
    if doubles is None or dtype.itemsize >= doubles.itemsize:
        return value
    is_half = dtype.newbyteorder("=") == np.float16
    might_pass_for_others = (is_half and widens == "small") or np.isinf(value).any()
    return value.astype(doubles) if might_pass_for_others else value


def objects_of(shape: list[int], count: int) -> Any:
    """Return an array for so many objects.

    Raises:
        ValueError: there is none of this shape: one of any size could be asked for.
    """
    import numpy as np

    if math.prod(shape) != count:
        raise ValueError("no such array")
    return np.empty(shape, dtype=object)
