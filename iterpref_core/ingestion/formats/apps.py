"""Format `apps`: APPS (Hendrycks et al. 2021), programs on standard input and functions, with right programs.

APPS's own grader accepts tokens in any order. Here the order counts. A problem with several right answers is recognized
by right programs that print different ones, and is left out.
"""

from collections import Counter

from iterpref_core.ingestion.published.contest import contest_problem
from iterpref_core.ingestion.published.fields import Json, read_texts
from iterpref_core.ingestion.published.programs import right_programs
from iterpref_core.ingestion.published.published import Format, PublishedProblem, Row


class AppsRow(Row):
    """A row of APPS; `solutions` and `input_output` are JSON in a text."""

    question: str
    input_output: Json = None
    solutions: Json = None
    starter_code: str | None = None
    problem_id: int | str | None = None
    id: int | str | None = None


def convert_apps(row: AppsRow) -> PublishedProblem:
    """Return the problem, with every reading of its tests."""
    # Copies of the set name this column differently.
    number: int | str = row.row_number
    if row.problem_id is not None:
        number = row.problem_id
    elif row.id is not None:
        number = row.id
    left_out: Counter[str] = Counter()
    return contest_problem(
        f"apps/{number}",
        row.question,
        row.input_output,
        source="apps",
        starter_code=row.starter_code or "",
        right=lambda: right_programs(read_texts("solutions", row.solutions, left_out), left_out),
        left_out=left_out,
    )


FORMAT = Format(AppsRow, convert_apps, license="MIT")
