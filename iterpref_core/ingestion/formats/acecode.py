"""Format `acecode`: AceCode-87K (Zeng et al. 2025), assertions, and answers of models with the share that they pass."""

from collections import Counter

from iterpref_core.ingestion.formats.mbpp import tested_function
from iterpref_core.ingestion.published.programs import program_in, python_programs, right_programs
from iterpref_core.ingestion.published.published import Format, LeftOutError, PublishedProblem, Row
from iterpref_core.ingestion.published.wording import ask_for_call
from iterpref_core.records import AssertTest, Problem, Record


class Inference(Record):
    """A model's answer, and the share, 0 to 1, of the tests that it passed when the set was made."""

    completion: str | None = None
    pass_rate: float | None = None


class AceCodeRow(Row):
    """A row of AceCode."""

    question: str
    test_cases: tuple[str, ...] | None = None
    inferences: tuple[Inference, ...] | None = None
    id: str | int | None = None


def convert_acecode(row: AceCodeRow) -> PublishedProblem:
    """Return the problem; answers that passed some of the tests count as neither right nor wrong."""
    if not row.test_cases:
        raise LeftOutError("no_tests")
    answers: dict[str, list[str]] = {"right": [], "wrong": [], "unjudged": []}
    for inference in row.inferences or ():
        rate = inference.pass_rate
        if rate == 1:
            group = "right"
        elif rate == 0:
            group = "wrong"
        else:
            group = "unjudged"
        answers[group].append(program_in(inference.completion or ""))
    left_out: Counter[str] = Counter()
    right = right_programs(answers["right"], left_out)
    try:
        name = tested_function(row.test_cases[0], right[0])
    except ValueError as error:
        raise ValueError(f"field 'test_cases': {error}") from None
    problem = Problem(
        task_id=f"acecode/{row.id_or_number(row.id)}",
        prompt=ask_for_call(row.question, name),
        entry_point=name,
        tests=tuple(AssertTest(code=code) for code in row.test_cases),
        source="acecode",
    )
    return PublishedProblem(
        problem,
        right=right,
        wrong=python_programs(answers["wrong"], left_out),
        unjudged=python_programs(answers["unjudged"], left_out),
        left_out=left_out,
    )


FORMAT = Format(AceCodeRow, convert_acecode, license="MIT")
