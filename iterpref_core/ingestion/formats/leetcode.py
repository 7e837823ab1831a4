"""Format `leetcode`: LeetCodeDataset (Xia et al. 2025), methods of `class Solution` with a check function."""

from collections import Counter

from iterpref_core.ingestion.published.check_function import tests_of_check
from iterpref_core.ingestion.published.programs import right_programs
from iterpref_core.ingestion.published.published import Format, LeftOutError, PublishedProblem, Row
from iterpref_core.ingestion.published.wording import ask_for_call
from iterpref_core.records import Problem


class LeetCodeRow(Row):
    """A row; `prompt` has the imports that every program finds."""

    task_id: str | int
    problem_description: str
    prompt: str = ""
    completion: str | None = None
    entry_point: str
    test: str
    starter_code: str | None = None


def convert_leetcode(row: LeetCodeRow) -> PublishedProblem:
    """Return the problem."""
    tests = tests_of_check(row.test, row.entry_point)
    if not tests:
        raise LeftOutError("no_tests")
    left_out: Counter[str] = Counter()
    problem = Problem(
        task_id=f"leetcode/{row.task_id}",
        prompt=ask_for_call(row.problem_description, row.entry_point, row.starter_code or ""),
        entry_point=row.entry_point,
        tests=tests,
        setup=row.prompt or None,
        source="leetcode",
    )
    return PublishedProblem(problem, right=right_programs([row.completion or ""], left_out), left_out=left_out)


FORMAT = Format(LeetCodeRow, convert_leetcode, license="Apache-2.0")
