"""Format `humaneval`: HumanEval (Chen et al. 2021), HumanEvalPack (Muennighoff et al. 2023), EvoEval (Xia et al. 2024).

HumanEvalPack adds a program with a bug that a person put in, and five more languages.
"""

import re
from collections import Counter

from iterpref_core.ingestion.published.check_function import tests_of_check
from iterpref_core.ingestion.published.programs import python_programs, right_programs
from iterpref_core.ingestion.published.published import Format, LeftOutError, PublishedProblem, Row
from iterpref_core.records import Problem

_OTHER_LANGUAGES = {"CPP", "Go", "Java", "JavaScript", "Rust"}
"""The beginnings of `task_id` in HumanEvalPack's other languages."""


class HumanEvalRow(Row):
    """A row; HumanEvalPack adds `declaration`, the beginning of its programs, and `buggy_solution`."""

    task_id: str
    prompt: str
    entry_point: str
    test: str
    canonical_solution: str | None = None
    declaration: str | None = None
    buggy_solution: str | None = None


def convert_humaneval(row: HumanEvalRow) -> PublishedProblem:
    """Return the problem; the prompt is the beginning of the program, as published."""
    language = row.task_id.partition("/")[0]
    if language in _OTHER_LANGUAGES:
        raise LeftOutError("not_python", f"its language is {language}")
    tests = tests_of_check(row.test, row.entry_point)
    if not tests:
        raise LeftOutError("no_tests")
    left_out: Counter[str] = Counter()
    problem = Problem(
        task_id=row.task_id,
        prompt=row.prompt,
        entry_point=row.entry_point,
        tests=tests,
        source="humaneval",
    )
    right = right_programs([_whole(row, row.canonical_solution)], left_out)
    buggy = [_whole(row, row.buggy_solution)] if row.buggy_solution else []
    wrong = python_programs(buggy, left_out)
    return PublishedProblem(problem, right=right, wrong=wrong, left_out=left_out)


def _whole(row: HumanEvalRow, solution: str | None) -> str:
    """Return a whole program; EvoEval's solutions are whole, the others continue the prompt."""
    if not solution:
        return ""
    definition = rf"^(?:async )?(?:def|class) +{re.escape(row.entry_point)}\b"
    if re.search(definition, solution, re.MULTILINE):
        return solution
    return (row.declaration or row.prompt) + solution


FORMAT = Format(HumanEvalRow, convert_humaneval, license="MIT")
