"""Texts that several tests make or read: rows in a file, and the parts of a program that spans mark."""

import json


def marked(text, spans):
    """Return the marked parts of a text."""
    return [text[start:end] for start, end in spans]


def written(path, *rows):
    """Write rows as JSON lines, and return the path."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path
