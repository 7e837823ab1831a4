"""License detection, as far as code says so: SPDX headers, package metadata, license files."""

import re
import tomllib
from collections.abc import Collection
from pathlib import Path

from iterpref_core.problems.own_code.project_interpreter import Installed

UNKNOWN = "unknown"

_HEADER = re.compile(r"^#\s*SPDX-License-Identifier:\s*(.+?)\s*$", re.MULTILINE)
_TEXTS = (
    ("AGPL-3.0", r"gnu affero general public license"),
    ("LGPL", r"gnu (lesser|library) general public license|\blgpl"),
    ("GPL", r"gnu general public license|\bgpl"),
    ("MPL-2.0", r"mozilla public license|\bmpl"),
    ("Apache-2.0", r"apache licen[sc]e|apache software licen[sc]e|\bapache\W*2"),
    ("PSF-2.0", r"python software foundation license|\bpsf\b"),
    ("Unlicense", r"this is free and unencumbered software|\bunlicense\b"),
    ("BSD-3-Clause", r"redistribution and use in source and binary forms(.|\n)*(neither|may not be used to endorse)"),
    ("BSD-2-Clause", r"redistribution and use in source and binary forms"),
    ("BSD-3-Clause", r"\bbsd"),
    ("ISC", r"permission to use, copy, modify, and/?o?r? distribute|\bisc\b"),
    ("MIT", r"permission is hereby granted, free of charge|\bmit\b"),
)
"""Words by which a license's text, classifier or free-text name is known; the first that is found counts."""


def recognize(text: str) -> str:
    """The SPDX identifier of a license's text or name; `unknown` if it is none of the common ones.

    >>> recognize("License :: OSI Approved :: MIT License")
    'MIT'
    """
    lowered = " ".join(text.lower().split())
    return next((name for name, words in _TEXTS if re.search(words, lowered)), UNKNOWN)


def _first_known(*texts: str) -> str:
    return next((name for name in map(recognize, texts) if name != UNKNOWN), UNKNOWN)


def license_of_package(package: Installed) -> str:
    """The license of an installed package: an SPDX expression, or `unknown`."""
    classifiers = [text for text in package.classifiers if text.startswith("License ::")]
    return package.expression or _first_known(package.field, *classifiers, package.text)


def license_of_folder(folder: Path) -> str:
    """The license of a project's folder, by `pyproject.toml` and license files: an SPDX expression, or `unknown`."""
    project = folder / "pyproject.toml"
    if project.exists():
        try:
            stated = tomllib.loads(project.read_text(encoding="utf-8")).get("project", {}).get("license", "")
        except tomllib.TOMLDecodeError:
            stated = ""
        if isinstance(stated, str) and stated:
            return stated
        if isinstance(stated, dict) and (found := recognize(str(stated.get("text", "")))) != UNKNOWN:
            return found
    files = [path for pattern in ("LICEN[SC]E*", "COPYING*") for path in sorted(folder.glob(pattern)) if path.is_file()]
    return _first_known(*(path.read_text(encoding="utf-8", errors="replace") for path in files))


def license_of_source(source: str, otherwise: str) -> str:
    """The license in a file's SPDX header, or that of its project."""
    found = _HEADER.search(source)
    return found[1] if found else otherwise


def is_allowed(license: str, allowed: Collection[str]) -> bool:
    """Whether an SPDX expression can be met with allowed licenses alone.

    >>> is_allowed("GPL-3.0-only OR MIT", {"MIT"}), is_allowed("GPL-3.0-only AND MIT", {"MIT"})
    (True, False)
    """
    known = {name.lower() for name in allowed}
    if "(" in license:  # nested: all that are named must be allowed
        names = re.findall(r"[\w.+-]+(?:\s+WITH\s+[\w.-]+)?", re.sub(r"\b(AND|OR)\b", " ", license))
        return all(name.lower() in known for name in names)
    ways = re.split(r"\s+OR\s+", license.strip(), flags=re.IGNORECASE)
    return any(
        all(name.strip().lower() in known for name in re.split(r"\s+AND\s+", way, flags=re.IGNORECASE)) for way in ways
    )
