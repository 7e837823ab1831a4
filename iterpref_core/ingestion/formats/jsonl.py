"""Format `jsonl`: this project's own records, one problem a line."""

from typing import Any

from pydantic import ConfigDict, model_validator

from iterpref_core.ingestion.published.published import Format, PublishedProblem, Row
from iterpref_core.records import Problem


class OwnProblem(Problem, Row):
    """A problem as in `problems.jsonl`; an unknown field is refused, since it may be a misspelled one."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, fields: Any) -> Any:
        # Parquet has null for each field that a problem lacks.
        if not isinstance(fields, dict):
            return fields
        return {name: value for name, value in fields.items() if value is not None}


def convert_own(row: OwnProblem) -> PublishedProblem:
    """Return the problem unchanged; its reference is its right program."""
    fields = {name: value for name, value in row if name in Problem.model_fields}
    problem = Problem(**fields)
    right = () if problem.reference is None else (problem.reference,)
    return PublishedProblem(problem, right=right)


FORMAT = Format(OwnProblem, convert_own, license="")
