"""Format `rstar`: rStar-Coder's test cases (Liu et al. 2025), most of them results that several programs agree on."""

from typing import Any

from iterpref_core.ingestion.published.contest import contest_problem
from iterpref_core.ingestion.published.fields import Json, read_json
from iterpref_core.ingestion.published.published import Format, PublishedProblem, Row


class RstarRow(Row):
    """A row; inputs and outputs are JSON in a text."""

    question: str
    inputs: Json = None
    outputs: Json = None
    question_id: str | int | None = None
    starter_code: str | None = None
    func_name: str | None = None
    class_name: str | None = None


def convert_rstar(row: RstarRow) -> PublishedProblem:
    """Return the problem; the set has no right programs."""
    tests: dict[str, Any] = {
        "inputs": read_json("inputs", row.inputs),
        "outputs": read_json("outputs", row.outputs),
        "fn_name": row.func_name,
    }
    return contest_problem(
        f"rstar/{row.id_or_number(row.question_id)}",
        row.question,
        tests,
        source="rstar",
        starter_code=row.starter_code or "",
        class_name=row.class_name or "",
    )


FORMAT = Format(RstarRow, convert_rstar, license="CC-BY-4.0")
