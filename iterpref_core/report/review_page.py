"""Review page: the problems of a human review, for whoever marks their tests."""

from collections.abc import Iterable
from pathlib import Path

from iterpref_core.records import Problem
from iterpref_core.report.pair_view import style, templates
from iterpref_core.storage.jsonl import atomic_writer


def write_review_page(problems: Iterable[tuple[Problem, str]], marks: Path, out: Path) -> None:
    """Write the page; it holds all it needs.

    Args:
        problems: the problems, each with its tests as text, in the order of the spreadsheet.
        marks: the spreadsheet, which the page names.
        out: the page.
    """
    shown = [
        {"task_id": p.task_id, "prompt": p.prompt, "tests": tests, "reference": p.reference} for p, tests in problems
    ]
    html = templates().get_template("review.html").render(problems=shown, marks=marks.name, style=style())
    with atomic_writer(out) as file:
        file.write(html)
