"""Format `classeval`: ClassEval (Du et al. 2023), whole classes with unittest classes for each method."""

from collections import Counter

from iterpref_core.ingestion.published.programs import right_programs
from iterpref_core.ingestion.published.published import Format, LeftOutError, PublishedProblem, Row
from iterpref_core.ingestion.published.wording import check_statement
from iterpref_core.records import Problem, UnittestTest


class ClassEvalRow(Row):
    """A row of ClassEval."""

    task_id: str
    skeleton: str
    test: str
    solution_code: str | None = None
    import_statement: tuple[str, ...] | None = None
    class_name: str


def convert_classeval(row: ClassEvalRow) -> PublishedProblem:
    """Return the problem; its prompt shows the class with empty methods."""
    if not row.test.strip():
        raise LeftOutError("no_tests")
    check_statement(row.skeleton)
    imports = "".join(f"{line}\n" for line in row.import_statement or ())
    left_out: Counter[str] = Counter()
    problem = Problem(
        task_id=row.task_id,
        prompt=f"Complete the Python class `{row.class_name}`:\n```python\n{imports}{row.skeleton.rstrip()}\n```",
        entry_point=row.class_name,
        tests=(UnittestTest(code=row.test),),
        source="classeval",
    )
    solution = ""
    if row.solution_code:
        solution = imports + row.solution_code
    return PublishedProblem(problem, right=right_programs([solution], left_out), left_out=left_out)


FORMAT = Format(ClassEvalRow, convert_classeval, license="MIT")
