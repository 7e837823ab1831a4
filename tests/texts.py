"""Texts that several tests make or read: rows in a file, and the parts of a program that spans mark."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def marked(text: str, spans: Iterable[tuple[int, int]]) -> list[str]:
    """Return the marked parts of a text."""
    return [text[start:end] for start, end in spans]


def written(path: Path, *rows: dict[str, Any]) -> Path:
    """Write rows as JSON lines, and return the path."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path
