"""Texts that several tests make or read: rows in a file, and the parts of a program that spans mark."""

import json

PAIR = {"prompt": "Add one.", "chosen": "x = 1\n", "rejected": "x = 2\n"}
"""Two programs for one prompt, by the names of columns that are read by default."""


def marked(text, spans):
    """Return the marked parts of a text."""
    return [text[start:end] for start, end in spans]


def written(path, *rows):
    """Write rows as JSON lines, and return the path."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
