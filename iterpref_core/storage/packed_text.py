"""Unpack a text that is the base64 of a compressed pickle, as LiveCodeBench publishes its private tests.

A pickle is a program: who loads one runs it. Here the names in it are never imported.
"""

import base64
import io
import pickle
import zlib
from typing import Any, NoReturn


def unpack_text(packed: str) -> str:
    """Return the text that was packed, or JSON of a list as it is; names in the pickle are never imported.

    Raises:
        ValueError: `packed` is not a packed text.
    """
    if packed.lstrip().startswith("["):
        return packed
    try:
        pickled = zlib.decompress(base64.b64decode(packed))
        unpacked: Any = _PlainUnpickler(io.BytesIO(pickled)).load()
    except Exception as error:  # noqa: BLE001 - broken pickles raise nearly anything
        raise ValueError(f"neither JSON nor base64 of a compressed pickle of text ({error!r})") from None
    if not isinstance(unpacked, str):
        raise ValueError(f"neither JSON nor base64 of a compressed pickle of text (of {type(unpacked).__name__})")
    return unpacked


class _PlainUnpickler(pickle.Unpickler):
    """An unpickler that builds texts and other plain values; anything that a pickle would import or call is refused."""

    def find_class(self, module: str, name: str) -> NoReturn:
        raise pickle.UnpicklingError(f"a pickle that wants {module}.{name}")
