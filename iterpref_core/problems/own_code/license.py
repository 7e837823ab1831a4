"""Licenses as SPDX expressions: what code says of itself, and whether that is allowed."""

import re
import tomllib
from collections.abc import Collection
from pathlib import Path

UNKNOWN = "unknown"

_HEADER = re.compile(r"^#\s*SPDX-License-Identifier:\s*(.+?)\s*$", re.MULTILINE)


def license_of_folder(folder: Path) -> str:
    """The license that a project's `pyproject.toml` states, or `unknown`."""
    project = folder / "pyproject.toml"
    try:
        stated = tomllib.loads(project.read_text(encoding="utf-8")).get("project", {}).get("license", "")
    except (OSError, ValueError):
        return UNKNOWN
    return (str(stated.get("text", "")) if isinstance(stated, dict) else str(stated)) or UNKNOWN


def license_of_source(source: str, otherwise: str) -> str:
    """The license in a file's SPDX header, or that of its project."""
    match = _HEADER.search(source)
    return match[1] if match else otherwise


def is_allowed(license: str, allowed: Collection[str]) -> bool:
    """Whether all licenses that an SPDX expression names are allowed.

    >>> is_allowed("MIT AND ISC", {"MIT", "ISC"}), is_allowed("GPL-3.0-only OR MIT", {"MIT"})
    (True, False)
    """
    names = re.split(r"\s+(?:AND|OR)\s+", re.sub("[()]", "", license))
    return {name.strip().lower() for name in names} <= {name.lower() for name in allowed}
