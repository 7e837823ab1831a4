"""The table of formats: each file in `formats/` is a format, and has its name."""

import importlib
import pkgutil

from iterpref_core.errors import InputError, unknown_name
from iterpref_core.ingestion import formats
from iterpref_core.ingestion.published.published import Format


def format_names() -> list[str]:
    """Return the names of all formats in alphabetical order, without importing any."""
    return sorted(module.name for module in pkgutil.iter_modules(formats.__path__))


def find_format(name: str) -> Format:
    """Return a format.

    Raises:
        InputError: there is no format of this name.
    """
    if name not in format_names():
        raise InputError(f"--format: {unknown_name('format', name, format_names())}")
    module = importlib.import_module(f"{formats.__name__}.{name}")
    found: Format = module.FORMAT
    return found
