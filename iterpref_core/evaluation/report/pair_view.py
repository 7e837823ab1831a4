"""Pair view as HTML, with the error region marked, and its parts that the terminal's view uses too."""

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from iterpref_core.evaluation.report.program_lines import cut_lines
from iterpref_core.records import FocalSpans, PreferencePair
from iterpref_core.records.prompt_messages import labeled_text
from iterpref_core.storage.jsonl import atomic_writer

NO_SPANS = "no spans"
"""The method of a region that was not marked by any method: the lines outside the line LCS replace it."""

_CODE_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")


@cache
def templates() -> Environment:
    """Return the report's templates; every value is escaped, since models wrote much of it."""
    environment = Environment(
        loader=PackageLoader("iterpref_core.evaluation.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["code_spans"] = code_spans
    return environment


def code_spans(text: str) -> Markup:
    """Return text as HTML, with `names` between single backticks as code.

    >>> print(code_spans("Write `f(x)` for x < 3."))
    Write <code>f(x)</code> for x &lt; 3.
    """
    parts = [escape(part) for part in _CODE_SPAN.split(text)]
    # Every second part was between backticks: the regular expression's group.
    parts[1::2] = [Markup("<code>{}</code>").format(part) for part in parts[1::2]]
    return Markup("").join(parts)


def template_text(name: str) -> str:
    """Return the text of a style sheet or script."""
    return Path(__file__).with_name("templates").joinpath(name).read_text(encoding="utf-8")


def pair_titles(spans: FocalSpans) -> tuple[str, str]:
    """Return the titles of y- and y+."""
    region = "the error region D−"
    if spans.method == NO_SPANS:
        region = "the lines outside the LCS (no spans were given)"
    return f"Rejected y−, marked: {region}", "Chosen y+"


def pair_context(pair: PreferencePair, spans: FocalSpans) -> dict[str, object]:
    """Return the arguments of the templates' macro `pair`."""
    return {
        "task_id": pair.task_id,
        "prompt": labeled_text(pair.prompt),
        "empty": not spans.rejected,
        "titles": pair_titles(spans),
        "rejected": cut_lines(pair.rejected, spans.rejected),
        "chosen": cut_lines(pair.chosen, spans.chosen),
    }


def write_html(pairs: Iterable[tuple[PreferencePair, FocalSpans]], out: Path) -> None:
    """Write pairs with their error regions as one self-contained page."""
    page = (
        templates()
        .get_template("pairs.html")
        .render(pairs=[pair_context(*item) for item in pairs], style=template_text("style.css"))
    )
    with atomic_writer(out) as file:
        file.write(page)
