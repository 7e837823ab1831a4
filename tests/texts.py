"""Texts that several tests make or read: rows in a file, and the parts of a program that spans mark."""

import json

PAIR = {"prompt": "Add one.", "chosen": "x = 1\n", "rejected": "x = 2\n"}
"""Two programs for one prompt, by the names of columns that are read by default."""


def marked(text, spans):
    """Return the marked parts of a text."""
    return [text[start:end] for start, end in spans]


def read_table(table):
    r"""Return the cells of a table: a line is a row, " | " divides its cells, and `\n` is a line end in one."""
    return [
        tuple(cell.strip().replace(r"\n", "\n") for cell in f"{line} ".split(" | "))
        for line in table.split("\n")
        if line
    ]


def write_files(folder, files):
    """Write texts by their paths in a folder, and return the folder."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def written(path, *rows):
    """Write rows as JSON lines, and return the path."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
