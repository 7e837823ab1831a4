"""Reference of the command line: every verb, its arguments and its options."""

import html
import re
from collections.abc import Iterator
from typing import Any

import typer.main

from docs.website.schema_types import table
from flows import cli

_HEAD = """# Command line

Every verb of `iterpref`. The exit code is 0 when it is done, 1 when the work ran and found what it must report (a gate
that fails, for instance), 2 on bad input or configuration. `--help` behind any verb prints what stands here.
"""


def all_verbs() -> Iterator[tuple[str, Any]]:
    """Each verb's words and its command, in the order of `iterpref --help`; `bench` and its own verbs too."""
    waiting = [("iterpref", typer.main.get_command(cli.app))]
    while waiting:
        words, command = waiting.pop(0)
        if words != "iterpref":
            yield words, command
        waiting[:0] = [(f"{words} {name}", each) for name, each in getattr(command, "commands", {}).items()]


def command_line_page() -> str:
    """The page, in Markdown."""
    lines, panel = [_HEAD], None
    for words, command in all_verbs():
        if words.count(" ") == 1 and command.rich_help_panel != panel:
            panel = command.rich_help_panel
            lines.append(f"## {panel}\n")
        lines.append(_section(words, command))
    return "\n".join(lines)


def _section(words: str, command: Any) -> str:
    context = command.context_class(command, info_name=words)
    records = [record for each in command.params if (record := each.get_help_record(context))]
    rows = [(f"`{name}`", _escape(text)) for name, text in records]
    usage = command.get_usage(context).removeprefix("Usage: ")
    parts = [f"### {words}\n", f"{_escape(command.help or '')}\n", f"```text\n{usage}\n```\n"]
    return "\n".join([*parts, table(("option", "meaning"), rows)])


def _escape(text: str) -> str:
    """Help as Markdown: outside of code, `<` and `[` are text."""
    parts = re.split(r"(`[^`]*`)", text)
    parts[::2] = [html.escape(part, quote=False).replace("[", r"\[") for part in parts[::2]]
    return "".join(parts)
