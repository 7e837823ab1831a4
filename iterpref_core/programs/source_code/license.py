"""Read licenses of code as SPDX expressions, and check them against the allowed licenses."""

import re
from collections.abc import Collection
from pathlib import Path

UNKNOWN = "unknown"

_HEADER = re.compile(r"^#\s*SPDX-License-Identifier:\s*(.+?)\s*$", re.MULTILINE)
_COMMENT = re.compile(r"^\s*#.*", re.MULTILINE)
_CLASSIFIER = re.compile(r"""License ::(?:[^"'\n]*::)? *([^"'\n]+)""")
# `license = "MIT"`, `license = {text = "MIT"}`, `license.text = "MIT"`, `[project.license]` and `text = "MIT"`
_QUOTED = re.compile(r"""\blicense(?:\.text|\]\s*text)? *= *(?:\{ *text *= *)?["']+([^"'\n\\]+)""")
# setuptools once wrote UNKNOWN where nothing is stated.
_LINE = re.compile(r"^license(?:-expression)? *[:=] *(?!UNKNOWN)(\S.*)", re.MULTILINE | re.IGNORECASE)
_STATEMENTS = {"pyproject.toml": _QUOTED, "PKG-INFO": _LINE, "setup.cfg": _LINE, "setup.py": _QUOTED}
"""The files in which projects state a license, and how. `setup.py` is never run; PKG-INFO has what it computes."""
_UNSAID = frozenset({"the", "license", "licence", "version", "v", "clause", "software", "osi", "approved"})
_NAMES = {
    "mit": "MIT",
    "expat": "MIT",
    "mit expat": "MIT",
    "apache": "Apache-2.0",
    "apache 2": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "bsd": "BSD-2-Clause OR BSD-3-Clause",
    "bsd 2": "BSD-2-Clause",
    "simplified bsd": "BSD-2-Clause",
    "bsd 3": "BSD-3-Clause",
    "new bsd": "BSD-3-Clause",
    "modified bsd": "BSD-3-Clause",
    "isc": "ISC",
    "mpl 2.0": "MPL-2.0",
    "mozilla public 2.0": "MPL-2.0",
    "mozilla public 2.0 mpl": "MPL-2.0",
    "isc iscl": "ISC",
    "psf": "PSF-2.0",
    "python foundation": "PSF-2.0",
    "unlicense": "Unlicense",
    "zlib": "Zlib",
    "zlib libpng": "Zlib",
    "cc0 1.0": "CC0-1.0",
    "cc0 1.0 universal public domain dedication": "CC0-1.0",
}
_SPDX = {frozenset(words.split()): license for words, license in _NAMES.items()}
"""Words of a name, without those of `_UNSAID` → SPDX. A name that stands for several licenses is all of them."""


def license_of_folder(folder: Path, otherwise: str | None = None) -> str:
    """Return the license that a project states for its packaging, another one if known, that of LICENSE, or `unknown`.

    A name such as "BSD License" becomes an SPDX expression; a license that has none here stays as it is stated.
    """
    for name, statement in _STATEMENTS.items():
        path = folder / name
        text = _COMMENT.sub("", path.read_text(encoding="utf-8", errors="replace") if path.is_file() else "")
        stated = "".join(statement.findall(text)[:1])
        named = _CLASSIFIER.findall(text)
        # Of a license such as "Dual License" only the classifiers tell what it is.
        if stated and (_words(stated) in _SPDX or not named):
            return _spdx_of(stated)
        if named:
            return " AND ".join(f"({_spdx_of(each)})" for each in named) if len(named) > 1 else _spdx_of(named[0])
    return otherwise or _in_text(folder) or UNKNOWN


def _words(name: str) -> frozenset[str]:
    return frozenset(re.findall(r"[a-z]+\d*|\d[\d.]*", name.lower())) - _UNSAID


def _spdx_of(name: str) -> str:
    # The text of a license may stand in the place of its name, which is then its first line.
    first = name.strip().partition("\n")[0]
    return _SPDX.get(_words(first), first.strip())


def _in_text(folder: Path) -> str:
    """Return the license that the first line of a project's LICENSE names, or an empty text."""
    for path in sorted([*folder.glob("LICEN[CS]E*"), *folder.glob("COPYING*")]):
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
        first = text.strip().partition("\n")[0]
        if "permission is hereby granted, free of charge" in text.lower():
            return "MIT"
        if "license" in first.lower():
            return _spdx_of(first.strip("# "))
    return ""


def license_of_source(source: str, otherwise: str) -> str:
    """Return the license in a file's SPDX header, or the license of its project."""
    match = _HEADER.search(source)
    return match[1] if match else otherwise


def is_allowed(license: str, allowed: Collection[str]) -> bool:
    """Return True if every license in an SPDX expression is allowed.

    >>> is_allowed("MIT AND ISC", {"MIT", "ISC"}), is_allowed("GPL-3.0-only OR MIT", {"MIT"})
    (True, False)
    """
    return {name.lower() for name in names_in(license)} <= {name.lower() for name in allowed}


def names_in(license: str) -> list[str]:
    """Return the licenses that an SPDX expression names, without parentheses."""
    return [name.strip() for name in re.split(r"\s+(?:AND|OR)\s+", re.sub("[()]", "", license))]
