"""Format `taco`: TACO (Li et al. 2023), APPS's layout with time limits and without numbers."""

import re
from collections import Counter

from iterpref_core.ingestion.published.contest import contest_problem
from iterpref_core.ingestion.published.fields import Json, read_texts
from iterpref_core.ingestion.published.programs import right_programs
from iterpref_core.ingestion.published.published import Format, PublishedProblem, Row


class TacoRow(Row):
    """A row of TACO; `solutions` and `input_output` are JSON in a text."""

    question: str
    input_output: Json = None
    solutions: Json = None
    starter_code: str | None = None
    time_limit: str | None = None


def convert_taco(row: TacoRow) -> PublishedProblem:
    """Return the problem, with every reading of its tests."""
    left_out: Counter[str] = Counter()
    return contest_problem(
        f"taco/{row.row_number}",
        row.question,
        row.input_output,
        source="taco",
        starter_code=row.starter_code or "",
        time_limit_s=read_seconds(row.time_limit),
        right=lambda: right_programs(read_texts("solutions", row.solutions, left_out), left_out),
        left_out=left_out,
    )


def read_seconds(text: str | None) -> float | None:
    """Return a time limit in seconds, None if it is not stated in seconds.

    >>> read_seconds("2.0 seconds"), read_seconds("1.5"), read_seconds(None), read_seconds("?")
    (2.0, 1.5, None, None)
    """
    stated = re.match(r"\s*(\d+(?:\.\d+)?)\s*(?:s|sec|secs|second|seconds)?\s*$", text or "")
    if stated is None:
        return None
    return float(stated[1]) or None


FORMAT = Format(TacoRow, convert_taco, license="Apache-2.0")
