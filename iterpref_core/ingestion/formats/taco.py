"""Format `taco`: TACO (Li et al. 2023), APPS's layout with time limits and without numbers."""

from collections import Counter
from dataclasses import replace
from typing import Any

from iterpref_core.ingestion.published.contest import contest_problem
from iterpref_core.ingestion.published.fields import Json, read_texts
from iterpref_core.ingestion.published.programs import right_programs
from iterpref_core.ingestion.published.published import Format, PublishedProblem, Row
from iterpref_core.ingestion.published.time_limits import read_time_limit


class TacoRow(Row):
    """A row of TACO; `solutions` and `input_output` are JSON in a text."""

    question: str
    input_output: Json = None
    solutions: Json = None
    starter_code: str | None = None
    time_limit: Any = None


def convert_taco(row: TacoRow) -> PublishedProblem:
    """Return the problem, with every reading of its tests."""
    left_out: Counter[str] = Counter()
    limit_s, fault = read_time_limit(row.time_limit)
    published = contest_problem(
        f"taco/{row.row_number}",
        row.question,
        row.input_output,
        source="taco",
        starter_code=row.starter_code or "",
        time_limit_s=limit_s,
        right=lambda: right_programs(read_texts("solutions", row.solutions, left_out), left_out),
        left_out=left_out,
    )
    return replace(published, limit_left_out=fault)


FORMAT = Format(TacoRow, convert_taco, license="Apache-2.0")
