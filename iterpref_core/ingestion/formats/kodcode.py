"""Format `kodcode`: KodCode (Xu et al. 2025), pytest files that import the solution."""

from collections import Counter

from iterpref_core.ingestion.published.programs import right_programs
from iterpref_core.ingestion.published.published import Format, LeftOutError, PublishedProblem, Row
from iterpref_core.ingestion.published.wording import check_statement
from iterpref_core.records import Problem, PytestTest, Record


class Declaration(Record):
    """A function that the tests use."""

    function_name: str | None = None
    function_declaration: str | None = None


class KodCodeRow(Row):
    """A row; with `style` `complete`, the question is the beginning of the program."""

    question: str
    solution: str | None = None
    test: str | None = None
    test_info: tuple[Declaration, ...] | None = None
    style: str | None = None
    question_id: str | int | None = None


def convert_kodcode(row: KodCodeRow) -> PublishedProblem:
    """Return the problem; its prompt shows the declarations that the tests rely on."""
    if not (row.test or "").strip():
        raise LeftOutError("no_tests")
    check_statement(row.question)
    left_out: Counter[str] = Counter()
    functions = row.test_info or ()
    names = [function.function_name for function in functions if function.function_name]
    declarations = [function.function_declaration or "" for function in functions]
    problem = Problem(
        task_id=f"kodcode/{row.id_or_number(row.question_id)}",
        prompt=_prompt(row, declarations),
        entry_point=names[0] if names else "",
        tests=(PytestTest(code=row.test or ""),),
        source="kodcode",
    )
    return PublishedProblem(problem, right=right_programs([row.solution or ""], left_out), left_out=left_out)


def _prompt(row: KodCodeRow, declarations: list[str]) -> str:
    if row.style == "complete":
        return f"Complete this Python code:\n```python\n{row.question.rstrip()}\n```"
    wanted = "\n".join(declaration.strip() for declaration in declarations if declaration.strip())
    if not wanted:
        return row.question
    return f"{row.question.strip()}\n\nWrite Python code that defines:\n```python\n{wanted}\n```"


FORMAT = Format(KodCodeRow, convert_kodcode, license="CC-BY-NC-4.0")
