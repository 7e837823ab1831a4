"""Format `prime`: PrimeIntellect's verifiable problems, SYNTHETIC-1 and 2, copies of them, and DeepCoder.

All of them collect other sets. SYNTHETIC-1 has Python literals in the place of JSON. SYNTHETIC-2's `test_cases` is JSON
in a text, within JSON in a text, and it has no right programs.

The fields of a test are those that the publisher's own verifier reads (`test_cases`, `language`, and of a test `type`,
`fn_name`, `input`, `output`): https://github.com/PrimeIntellect-ai/genesys, verifiers/code_test_verifier.py.
"""

from collections import Counter

from iterpref_core.ingestion.published.contest import contest_problem
from iterpref_core.ingestion.published.fields import Json, read_literal, read_texts
from iterpref_core.ingestion.published.programs import program_in, right_programs
from iterpref_core.ingestion.published.published import Format, LeftOutError, PublishedProblem, Row
from iterpref_core.source_code.language import is_python_3

_CODE = (None, "verifiable_code", "prime_rl_code")


class PrimeRow(Row):
    """A row; DeepCoder has `problem`, `solutions` and `tests` instead of the first three fields here."""

    prompt: str | None = None
    gold_standard_solution: str | None = None
    verification_info: Json = None
    problem: str | None = None
    problem_statement: str | None = None
    solutions: Json = None
    tests: Json = None
    task_type: str | None = None
    problem_id: str | int | None = None
    starter_code: str | None = None
    source: str | None = None


def convert_prime(row: PrimeRow) -> PublishedProblem:
    """Return the problem; tasks of other types, such as mathematics, and in other languages are left out."""
    question = row.prompt or row.problem or row.problem_statement
    if question is None:
        raise ValueError("field 'prompt': Field required (or 'problem', as in DeepCoder, or 'problem_statement')")
    if row.task_type not in _CODE:
        raise LeftOutError("not_code", f"its task_type is {row.task_type}")
    tests = read_literal("verification_info", row.verification_info)
    if isinstance(tests, dict):
        language = tests.get("language")
        if language is not None and not (isinstance(language, str) and is_python_3(language)):
            raise LeftOutError("not_python", f"its language is {language}")
        tests = read_literal("test_cases", tests.get("test_cases", tests))
    has_answers = bool({"gold_standard_solution", "solutions"} & row.model_fields_set)
    left_out: Counter[str] = Counter()
    answers = [row.gold_standard_solution or "", *read_texts("solutions", row.solutions, left_out)]
    return contest_problem(
        f"prime/{row.id_or_number(row.problem_id)}",
        question,
        row.tests if tests is None else tests,
        source=f"prime:{row.source}" if row.source else "prime",
        starter_code=row.starter_code or "",
        # SYNTHETIC-2 has no column for right programs; a row with an empty one lacks what its set has.
        right=(lambda: right_programs(map(program_in, answers), left_out)) if has_answers else tuple,
        left_out=left_out,
    )


FORMAT = Format(PrimeRow, convert_prime, license="Apache-2.0")
