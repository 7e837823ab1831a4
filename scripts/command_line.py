"""Write the page of verbs and options from the command line itself, as a hook of MkDocs."""

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

PAGE = "reference/command-line.md"
_TYPES = {"str": "text", "int": "integer", "float": "number", "dir": "folder", "Path": "path"}
"""Typer's word for a type → ours; its other words stay."""


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Return the text of a page; the page of the command line gets its verbs."""
    if page.file.src_uri != PAGE:
        return markdown
    return markdown + describe_verbs()


def describe_verbs() -> str:
    """Return a section for each panel of `iterpref --help`: its verbs in a table, and each with its options."""
    import typer.main

    from flows.cli.app import app

    panels: dict[str, list[Any]] = defaultdict(list)
    for verb in typer.main.get_command(app).commands.values():  # type: ignore[attr-defined]
        panels[verb.rich_help_panel].append(verb)
    lines = ['<div class="verbs" markdown>']
    for panel, verbs in panels.items():
        lines += ["", f"## {panel}", "", "| verb | does |", "|---|---|"]
        for verb in verbs:
            summary, _, _ = verb.help.partition("\n\n")
            lines.append(f"| [`{verb.name}`](#iterpref-{verb.name}) | {_cell(summary)} |")
        for verb in verbs:
            lines += _describe(verb)
    return "\n".join([*lines, "", "</div>", ""])


def _describe(verb: Any) -> Iterator[str]:
    """Yield the lines of a verb: its help, its usage, and the table of its arguments and options."""
    import typer

    context = typer.Context(verb, info_name=f"iterpref {verb.name}")
    usage = verb.get_usage(context).removeprefix("Usage: ")
    yield from ("", f"### iterpref {verb.name}", "", verb.help, "", "```text", usage, "```", "")
    if verb.params:
        yield from ("| option | value | meaning |", "|---|---|---|")
    for parameter in verb.params:
        name = " ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
        yield f"| {name} | {_cell(_value(parameter, context))} | {_cell(_meaning(parameter))} |"


def _value(parameter: Any, context: Any) -> str:
    """Return the form of a value: its own name for that, its choices, or its type; empty for a switch."""
    if getattr(parameter, "is_flag", False):
        return ""
    if parameter.metavar:
        return f"`{parameter.metavar}`"
    shown = parameter.display_type(context).strip("<>")
    kind = re.sub(r"^list\[(.*)\]$", r"\1", shown)
    if "|" in kind:
        return ", ".join(f"`{choice}`" for choice in kind.split("|"))
    kind = kind.removesuffix(" range")
    value = _TYPES.get(kind, kind)
    if parameter.min is not None:
        value += f", at least {parameter.min}"
    if parameter.max is not None:
        value += f", at most {parameter.max}"
    return value


def _meaning(parameter: Any) -> str:
    """Return the help of an argument or option, with its default."""
    if parameter.required:
        return f"{parameter.help} *Required.*"
    if parameter.default in (None, False):
        return str(parameter.help)
    return f"{parameter.help} *Default: {getattr(parameter.default, 'value', parameter.default)}.*"


def _cell(text: str) -> str:
    """Return a text for a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")
