"""Format `bigcodebench`: BigCodeBench's tasks (Zhuo et al. 2024) and others in its layout, with unittest classes.

The benchmark itself is `iterpref evaluate --benchmark bigcodebench-full-instruct`, with its own libraries.
"""

from collections import Counter

from iterpref_core.ingestion.published.programs import right_programs
from iterpref_core.ingestion.published.published import Format, LeftOutError, PublishedProblem, Row
from iterpref_core.records import Problem, UnittestTest


class BigCodeBenchRow(Row):
    """A row; the solution continues `complete_prompt`."""

    task_id: str
    complete_prompt: str
    instruct_prompt: str | None = None
    code_prompt: str | None = None
    canonical_solution: str | None = None
    test: str
    entry_point: str


def convert_bigcodebench(row: BigCodeBenchRow) -> PublishedProblem:
    """Return the problem."""
    if not row.test.strip():
        raise LeftOutError("no_tests")
    left_out: Counter[str] = Counter()
    prompt = row.instruct_prompt or row.complete_prompt
    if row.instruct_prompt and row.code_prompt and row.code_prompt not in prompt:
        prompt += f"\nBegin with:\n```python\n{row.code_prompt.rstrip()}\n```"
    problem = Problem(
        task_id=row.task_id,
        prompt=prompt,
        entry_point=row.entry_point,
        tests=(UnittestTest(code=row.test),),
        source="bigcodebench",
    )
    solution = ""
    if row.canonical_solution:
        solution = row.complete_prompt + row.canonical_solution
    return PublishedProblem(problem, right=right_programs([solution], left_out), left_out=left_out)


FORMAT = Format(BigCodeBenchRow, convert_bigcodebench, license="Apache-2.0")
