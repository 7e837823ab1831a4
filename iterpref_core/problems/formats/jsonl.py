"""Format `jsonl`: this project's own records, one problem a line."""

from pydantic import ConfigDict

from iterpref_core.problems.published.published import Format, PublishedProblem, Row
from iterpref_core.records import Problem


class OwnProblem(Problem, Row):
    """A problem as `problems.jsonl` has it; a field that is unknown there is refused, since it may be misspelled."""

    model_config = ConfigDict(extra="forbid")


def convert_own(row: OwnProblem) -> PublishedProblem:
    """Return the problem as it stands."""
    problem = Problem(**{name: value for name, value in row if name in Problem.model_fields})
    right = () if problem.reference is None else (problem.reference,)
    return PublishedProblem(problem, right=right)


FORMAT = Format(OwnProblem, convert_own, license="")
