"""Format `apps`: APPS (Hendrycks et al. 2021), programs on standard input and functions, with right programs.

Its own grader accepts tokens in any order. Here the order counts; problems with several right answers are found out by
their right programs and left out.
"""

from collections import Counter

from iterpref_core.problems.published.contest import contest_problem
from iterpref_core.problems.published.fields import Json, read_texts
from iterpref_core.problems.published.programs import right_programs
from iterpref_core.problems.published.published import Format, PublishedProblem, Row


class AppsRow(Row):
    """A row of APPS; `solutions` and `input_output` are JSON in a text."""

    question: str
    input_output: Json = None
    solutions: Json = None
    starter_code: str | None = None
    problem_id: int | str | None = None
    id: int | str | None = None


def convert_apps(row: AppsRow) -> PublishedProblem:
    """Return the problem, with its tests read in each way that APPS's rows allow."""
    number = next((name for name in (row.problem_id, row.id) if name is not None), row.row_number)
    left_out: Counter[str] = Counter()
    return contest_problem(
        f"apps/{number}",
        row.question,
        row.input_output,
        source="apps",
        starter_code=row.starter_code or "",
        right=lambda: right_programs(read_texts("solutions", row.solutions), left_out),
        left_out=left_out,
    )


FORMAT = Format(AppsRow, convert_apps, license="MIT")
