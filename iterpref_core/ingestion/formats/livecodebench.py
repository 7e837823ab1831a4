"""Format `livecodebench`: the problems of LiveCodeBench as problems to train on, and its releases by others.

The benchmark itself is `iterpref evaluate --benchmark livecodebench`, with its own rules of comparison.
"""

from iterpref_core.ingestion.published.contest import contest_problem
from iterpref_core.ingestion.published.fields import Json, read_list, read_object
from iterpref_core.ingestion.published.published import Format, PublishedProblem, Row
from iterpref_core.storage.packed_text import unpack_text


class LiveCodeBenchRow(Row):
    """A row; private tests are JSON, or packed JSON."""

    question_content: str
    public_test_cases: Json = None
    private_test_cases: Json = None
    question_id: str | int | None = None
    starter_code: str | None = None
    metadata: Json = None


def convert_livecodebench(row: LiveCodeBenchRow) -> PublishedProblem:
    """Return the problem; public tests are visible, private ones hidden. The set has no right programs."""
    private = row.private_test_cases
    if isinstance(private, str) and private.strip() and not private.lstrip().startswith("["):
        try:
            private = unpack_text(private)
        except ValueError as error:
            raise ValueError(f"field 'private_test_cases': {error}") from None
    public_tests = read_list("public_test_cases", row.public_test_cases)
    private_tests = read_list("private_test_cases", private)
    function = read_object("metadata", row.metadata).get("func_name")
    if function is not None and not isinstance(function, str):
        raise ValueError(f"field 'metadata.func_name': a text is expected, not {type(function).__name__}")
    return contest_problem(
        f"livecodebench/{row.id_or_number(row.question_id)}",
        row.question_content,
        [*public_tests, *private_tests],
        source="livecodebench",
        starter_code=row.starter_code or "",
        function=function or "",
        visible=len(public_tests),
    )


FORMAT = Format(LiveCodeBenchRow, convert_livecodebench, license="CC")
