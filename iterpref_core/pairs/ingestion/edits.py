"""Make buggy and fixed functions of logs of edits, such as those of agents; they are then read as `pairs`.

A row has `before`, the text of a file or an object of paths and texts, or a clone of `repo` has it at `base_commit`;
and one of

    after    the same after the edit
    edit     a unified diff, SEARCH/REPLACE blocks, or messages with calls of tools that write files
    bug      such an edit that makes the bug: `before` is right
"""

import ast
import re
import subprocess
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from unidiff.patch import PatchSet

from iterpref_core.problems.ingestion.columns import Columns, DroppedError, parse_columns
from iterpref_core.problems.ingestion.intake import Wanted
from iterpref_core.problems.ingestion.presets import PRESETS
from iterpref_core.problems.ingestion.programs import program_in
from iterpref_core.problems.ingestion.values import Row, read_text_value
from iterpref_core.programs.source_code.lines import whole_lines
from iterpref_core.programs.source_code.syntax_tree import parse_source

from .preference_pairs import REPAIR_PROMPT

Edit = tuple[str, str | None, str]
"""A path (empty for the file that has the text), the text to replace (None: the whole file), and the new text."""

_BLOCK = re.compile(r"^()<{5,9} SEARCH\n(.*?)^={5,9}\n(.*?)^>{5,9} REPLACE", re.MULTILINE | re.DOTALL)
_PARAMETER = re.compile(r"<parameter=(\w+)>\n?(.*?)\n?</parameter>", re.DOTALL)
_PREFIX = re.compile("^[abciow]/")
"""What git writes before a path: `a/`, in a reversed diff `b/`, or a letter for index, commit or working tree."""
_ARGUMENTS = {
    "path": "path",
    "file_path": "path",
    "old_str": "old",
    "old_string": "old",
    "new_str": "new",
    "new_string": "new",
    "content": "whole",
    "file_text": "whole",
}
"""The names of tools for a file, the text that they replace, what replaces it, and a whole text."""
_OTHERS = ("user", "human", "system", "tool", "function")
"""Roles whose messages only repeat edits."""


def rows_of_edits(wanted: Wanted, columns: str | None, repositories: Path | None) -> Wanted:
    """Return rows of edits as rows of format `pairs`.

    Args:
        wanted: the rows of edits.
        columns: names of their columns, such as `before=old_file,edit=diff`.
        repositories: folder of clones, each with the name of its repository; None: the rows have the files.

    Raises:
        ConfigError: the columns cannot be understood.
    """
    named = parse_columns(columns, "edits", preset=PRESETS["edits"].columns)
    return replace(wanted, function=lambda row: list(changed_functions(row, named, repositories)))


def changed_functions(row: Row, columns: Columns, repositories: Path | None) -> Iterator[Row | DroppedError]:
    """Yield a row of format `pairs` for each function that has changed, in the order of the file; or why there is none.

    Raises:
        DroppedError: an edit does not apply, a file is not Python, or no function has changed.
        ValueError: a column is missing, or holds something else.
    """
    makes_bug = columns.has(row, "bug")
    before = _files(row, columns, "before")
    after = before | _files(row, columns, "after")
    for path, old, new in read_edits(columns.one(row, "bug" if makes_bug else "edit")):
        fitting = (
            name
            for name, text in after.items()
            if not name or (f"/{path}".endswith(f"/{name}") if path else str(old) in text)
        )
        name = next(fitting, path)
        if name not in after:
            # As it is committed, or first written. A row of one file may have a diff of several.
            text = _committed(row, columns, repositories, name) or ("" if old else new)
            if not text or not name.endswith(".py"):
                continue
            before[name] = after[name] = text
        if old is not None and after[name].count(old) != 1:
            raise DroppedError("does_not_apply", f"{name}: not one place has the text to replace, {old[:60]!r}")
        after[name] = new if old is None else after[name].replace(old, new)
    changed = False
    for path in before:
        old_functions, new_functions = _functions(path, before[path]), _functions(path, after[path])
        for function in old_functions | new_functions:
            sides = [old_functions[function], new_functions[function]]
            if sides[0] == sides[1]:
                continue
            changed = True
            if [*map(len, sides)] != [1, 1]:
                yield DroppedError("no_counterpart", f"{path}: {function} is not defined once before and after")
                continue
            (buggy,), (fixed,) = reversed(sides) if makes_bug else sides
            name = columns.name(row, "task_id")
            statement = columns.one(row, "prompt") if columns.has(row, "prompt") else None
            yield {
                **row,
                "task_id": f"{name}/{path}:{function}" if name else None,
                "problem_id": name,
                "prompt": "\n\n".join(filter(None, [statement, REPAIR_PROMPT.format(buggy=buggy.rstrip())])),
                "buggy": buggy,
                "fixed": fixed,
                "language": "python",
            }
    if not changed:
        raise DroppedError(
            "no_function", "no function has changed; name the columns of before and edit, or --repositories"
        )


def read_edits(value: Any) -> Iterator[Edit]:
    r"""Yield the edits in a text or in messages, in their order.

    >>> list(read_edits([{"path": "a.py", "old_str": "x", "new_str": "y"}]))
    [('a.py', 'x', 'y')]
    """
    value = read_text_value(value)
    if isinstance(value, str):
        yield from _edits_in_text(value)
    if isinstance(value, list):
        for each in value:
            yield from read_edits(each)
    if isinstance(value, Mapping):
        match {_ARGUMENTS.get(name, ""): text for name, text in value.items() if isinstance(text, str)}:
            case {"path": path, "whole": new}:
                yield path, None, new
            case {"new": new, **others}:
                # Without the old text it is an insertion at a line, which does not apply.
                yield others.get("path", ""), others.get("old", ""), new
            case _ if value.get("role", value.get("from")) not in _OTHERS:
                yield from read_edits(list(value.values()))


def _edits_in_text(text: str) -> Iterator[Edit]:
    for call in text.split("</function>"):
        yield from read_edits(dict(_PARAMETER.findall(call)))
    yield from _BLOCK.findall(text)
    for file in PatchSet(text):
        for hunk in file:
            old, new = ("".join(line.value for line in side()) for side in (hunk.source_lines, hunk.target_lines))
            yield _PREFIX.sub("", file.source_file), old, new


def _files(row: Row, columns: Columns, part: str) -> dict[str, str]:
    """Return the texts of a part's files by their paths; one alone has that of the column `path`, if there is one."""
    value = read_text_value(columns.one(row, part)) or {}
    return {columns.name(row, "path"): value} if isinstance(value, str) else dict(value)


def _committed(row: Row, columns: Columns, repositories: Path | None, path: str) -> str:
    """Return the text of a file in the clone of the row's repository; an empty one if it is not there."""
    clone = repositories / columns.name(row, "repo").rpartition("/")[2] if repositories else None
    if clone is None:
        return ""
    place = f"{columns.name(row, 'base_commit') or 'HEAD'}:{path}"
    found = subprocess.run(["git", "-C", clone, "cat-file", "blob", place], capture_output=True, check=False)
    # A file in another encoding has the text to replace nowhere, or is not Python.
    return found.stdout.decode("utf-8", errors="replace")


def _functions(path: str, source: str) -> defaultdict[str, list[str]]:
    """Return the texts of the functions and methods of a file by their qualified names, in the order of the file.

    Raises:
        DroppedError: the file is not Python.
    """
    lines = whole_lines(source)
    found: defaultdict[str, list[str]] = defaultdict(list)

    def find(parent: ast.AST, prefix: str) -> None:
        for node in ast.iter_child_nodes(parent):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found[prefix + node.name].append(program_in("".join(lines[node.lineno - 1 : node.end_lineno])))
            else:
                find(node, f"{prefix}{node.name}." if isinstance(node, ast.ClassDef) else prefix)

    try:
        find(parse_source(source), "")
    except SyntaxError as error:
        raise DroppedError("not_python", f"{path}: {error}") from None
    return found
