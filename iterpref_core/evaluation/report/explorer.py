"""Write `explorer.html`: every attempt at a problem, in one page without requests.

The page shows programs that models wrote. They are data; the one script puts them into the page as text. The page's
policy names that script and the style sheet by their hashes, and forbids all others.
"""

import base64
import json
from collections import Counter
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

from iterpref_core.evaluation.report.explored import Json, choose_trajectories, mended_entries, trajectory_entries
from iterpref_core.evaluation.report.labels import in_words
from iterpref_core.evaluation.report.pair_view import template_text, templates
from iterpref_core.evaluation.report.summary import ReportFiles
from iterpref_core.evaluation.report.summary_record import Summary
from iterpref_core.records.config import CodeflowParams
from iterpref_core.storage.jsonl import atomic_writer

TRAJECTORY_BYTES = 2_900_000
HELDOUT_BYTES = 500_000
"""The largest size of all trajectories, and of all held-out problems: with style and script the page stays below 4 MB,
however much models wrote."""


def write_explorer(
    files: ReportFiles,
    params: CodeflowParams,
    out: Path,
    summary: Summary | None = None,
) -> None:
    """Write the page.

    Args:
        files: the trajectories and pairs to show.
        params: the parameters that name the model of each attempt.
        out: the file of the page.
        summary: the experiment's, to show held-out problems that training mended or broke.

    Raises:
        InputError: a file is unusable.
    """
    totals, outcomes = choose_trajectories(files)
    entries = _first_bytes(trajectory_entries(files, outcomes, params), TRAJECTORY_BYTES)
    of_models, heldout = mended_entries(summary, files) if summary else (Counter[str](), [])
    answers = _first_bytes(heldout, HELDOUT_BYTES)
    words = {name: in_words(name) for name in totals} | {"pair": "became a pair"}
    data = {
        "trajectories": entries + answers,
        "totals": totals | of_models,
        "outcomes": words | {name: f"held-out, {name}" for name in of_models},
        "sampling": params.source == "sampling",
    }
    script = template_text("explorer.js")
    sheet = template_text("style.css") + template_text("explorer.css")
    html = (
        templates()
        .get_template("explorer.html")
        .render(
            data=embed(data),
            shown=_shown(len(entries), totals.total(), len(answers)),
            has_trajectories=bool(entries or answers),
            style=sheet,
            script=script,
            policy=_policy(script, "\n" + sheet),
        )
    )
    with atomic_writer(out) as file:
        file.write(html)


def embed(value: Any) -> str:
    r"""Return JSON for a page's <script>: no text ends the element, and all of it is ASCII.

    >>> embed({"code": "</script>\u202e"})
    '{"code":"\\u003c/script>\\u202e"}'
    """
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def _first_bytes(entries: Iterable[Json], budget: int) -> list[Json]:
    """Return the first entries that fit into a number of bytes, at least one; no entry is cut."""
    page: list[Json] = []
    for entry in entries:
        budget -= len(embed(entry))
        if page and budget < 0:
            break
        page.append(entry)
    return page


def _shown(count: int, total: int, answers: int) -> str:
    """Return in words what the page shows."""
    shown = f"All {total:,} trajectories"
    if count != total:
        shown = f"{count:,} of {total:,} trajectories, drawn by a hash of their task_id"
    if answers:
        shown += f"; and {answers:,} answers to held-out problems that training mended or broke"
    return f"{shown}."


def _policy(script: str, sheet: str) -> str:
    """Return a policy that allows this script and this style sheet alone, and no text that becomes elements."""
    hashes = [base64.b64encode(sha256(text.encode()).digest()).decode() for text in (script, sheet)]
    return (
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; img-src data:; base-uri 'none'; "
        "form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    ).format(*hashes)
