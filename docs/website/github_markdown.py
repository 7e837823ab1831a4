"""GitHub's Markdown as Python-Markdown reads it: lists and tables right below paragraphs, links that leave docs/."""

import re
from pathlib import PurePosixPath

_FENCE = re.compile(r"^\s*(`{3,}|~{3,})")
_LIST_ITEM = re.compile(r"^( *)(?:[-*+]|\d+\.) ")
_DOCTEST = re.compile(r"(?m)(?:^>>> .*\n?)(?:^.+\n?)*")
_LEAVING = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(\.\./([^)#]*)(#[^)]*)?\)")


def for_python_markdown(text: str, repository: str | None) -> str:
    """A page of docs/ as Python-Markdown must be given it to show what GitHub shows.

    Args:
        text: of the page.
        repository: address of the repository, for links to files outside docs/; None: such files are named, not linked.
    """
    fence, before, lines = "", "", []
    for line in text.splitlines():
        mark = _FENCE.match(line)
        if fence:
            lines.append(line)
            fence = "" if mark and line.strip() == fence else fence
        elif mark:
            lines.append(line)
            fence = mark[1]
        else:
            lines += [""] * _starts_block(line, before)
            indented = _LIST_ITEM.sub(lambda item: " " * len(item[1]) + item[0], line)
            lines.append(_LEAVING.sub(lambda link: _link(link[1], link[2], link[3], repository), indented))
        before = line
    return "\n".join(lines) + "\n"


def docstring_markdown(text: str) -> str:
    """A docstring with its doctests, each up to the next empty line, as blocks of code.

    Args:
        text: without the indentation that all its lines share.
    """
    return for_python_markdown(_DOCTEST.sub(lambda block: f"```pycon\n{block[0].rstrip()}\n```\n", text), None)


def _starts_block(line: str, before: str) -> bool:
    """Whether a line begins a list or a table right below a paragraph."""
    if not before or before.startswith(("#", " ")):
        return False
    if _LIST_ITEM.match(line):
        return not _LIST_ITEM.match(before)
    return line.startswith("|") and not before.startswith("|")


def _link(text: str, path: str, anchor: str | None, repository: str | None) -> str:
    """A link to a file outside docs/: to the repository's view of it, or else the file's path as code."""
    if repository:
        return f"[{text}]({repository}/blob/HEAD/{path}{anchor or ''})"
    name = f"`{PurePosixPath(path)}`"
    return name if text.strip("`") == name.strip("`") else f"{text} ({name})"
