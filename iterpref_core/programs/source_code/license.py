"""Read licenses of code as SPDX expressions, and check them against the allowed licenses."""

import re
import tomllib
from collections.abc import Collection
from pathlib import Path

UNKNOWN = "unknown"

_HEADER = re.compile(r"^#\s*SPDX-License-Identifier:\s*(.+?)\s*$", re.MULTILINE)


def license_of_folder(folder: Path, otherwise: str | None = None) -> str:
    """Return the license that a project's `pyproject.toml` states, or another one if known, or `unknown`."""
    try:
        settings = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        settings = {}
    stated = settings.get("project", {}).get("license", "")
    if isinstance(stated, dict):
        stated = stated.get("text", "")
    return str(stated) or otherwise or UNKNOWN


def license_of_source(source: str, otherwise: str) -> str:
    """Return the license in a file's SPDX header, or the license of its project."""
    match = _HEADER.search(source)
    return match[1] if match else otherwise


def is_allowed(license: str, allowed: Collection[str]) -> bool:
    """Return True if every license in an SPDX expression is allowed.

    >>> is_allowed("MIT AND ISC", {"MIT", "ISC"}), is_allowed("GPL-3.0-only OR MIT", {"MIT"})
    (True, False)
    """
    names = re.split(r"\s+(?:AND|OR)\s+", re.sub("[()]", "", license))
    return {name.strip().lower() for name in names} <= {name.lower() for name in allowed}
