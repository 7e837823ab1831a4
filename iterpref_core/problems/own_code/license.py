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
    found = _HEADER.search(source)
    return found[1] if found else otherwise


def is_allowed(license: str, allowed: Collection[str]) -> bool:
    """Whether an SPDX expression can be met with allowed licenses alone; a nested one, where all that it names are.

    >>> is_allowed("GPL-3.0-only OR MIT", {"MIT"}), is_allowed("GPL-3.0-only AND MIT", {"MIT"})
    (True, False)
    """
    known = {name.lower() for name in allowed}
    joined = license.replace("(", "").replace(")", "")
    ways = [re.sub(r"\bOR\b", "AND", joined)] if joined != license else re.split(r"\s+OR\s+", license)
    return any(all(name.strip().lower() in known for name in re.split(r"\s+AND\s+", way)) for way in ways)
