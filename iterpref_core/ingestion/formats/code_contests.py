"""Format `code_contests`: CodeContests (Li et al. 2022), with right and wrong programs that people sent in.

CodeContests compares outputs as stdin tests do here: token by token, without regard to case, decimals within 1e-5.
"""

from collections import Counter
from typing import Any

from iterpref_core.ingestion.published.fields import Json, as_rows
from iterpref_core.ingestion.published.programs import python_programs, right_programs
from iterpref_core.ingestion.published.published import Format, LeftOutError, PublishedProblem, Row
from iterpref_core.ingestion.published.stdin_tests import stdin_tests
from iterpref_core.ingestion.published.time_limits import read_time_limit
from iterpref_core.ingestion.published.usable_tests import usable_tests
from iterpref_core.ingestion.published.wording import ask_for_script
from iterpref_core.records import Problem

_LANGUAGES = ("unknown", "python2", "c++", "python", "java")
"""The languages, in the order of the set's numbers for them."""
_NAMES = {"PYTHON": "python2", "CPP": "c++", "PYTHON3": "python", "JAVA": "java"}


class CodeContestsRow(Row):
    """A row; each table of tests has `input` and `output`, each of programs `language` and `solution`."""

    name: str
    description: str
    public_tests: Json = None
    private_tests: Json = None
    generated_tests: Json = None
    solutions: Json = None
    incorrect_solutions: Json = None
    time_limit: Any = None
    input_file: str | None = None
    output_file: str | None = None


def convert_code_contests(row: CodeContestsRow) -> PublishedProblem:
    """Return the problem; public tests are visible, all others hidden."""
    if row.input_file or row.output_file:
        raise LeftOutError("not_stdin", "its programs read or write a file")
    public = as_rows("public_tests", row.public_tests, "input", "output")
    hidden = as_rows("private_tests", row.private_tests, "input", "output")
    hidden += as_rows("generated_tests", row.generated_tests, "input", "output")
    public, hidden, tests_left_out = usable_tests(public, hidden, ignore_case=True)
    if not public:
        # A problem needs a visible test: the first hidden one becomes visible.
        public = hidden[:1]
        hidden = hidden[1:]
    if not public:
        raise LeftOutError("no_tests")
    left_out: Counter[str] = Counter()
    limit_s, fault = read_time_limit(row.time_limit)
    problem = Problem(
        task_id=f"code_contests/{row.name}",
        prompt=ask_for_script(row.description),
        tests=stdin_tests(public, ignore_case=True),
        hidden_tests=stdin_tests(hidden, ignore_case=True),
        source="code_contests",
        time_limit_s=limit_s,
    )
    solutions = _in_python("solutions", row.solutions, left_out)
    right = right_programs(solutions, left_out)
    incorrect = _in_python("incorrect_solutions", row.incorrect_solutions, left_out)
    wrong = python_programs(incorrect, left_out)
    return PublishedProblem(
        problem,
        right=right,
        wrong=wrong,
        left_out=left_out,
        tests_left_out=tests_left_out,
        limit_left_out=fault,
    )


def _in_python(field: str, programs: Json, left_out: Counter[str]) -> list[str]:
    """Return the programs that the set marks as Python 3, and count the others by language."""
    kept = []
    for language, program in as_rows(field, programs, "language", "solution"):
        name = _language(language) if isinstance(program, str) else "no_text"
        if name == "python":
            kept.append(program)
        else:
            left_out[name] += 1
    return kept


def _language(number: Any) -> str:
    if isinstance(number, str):
        return _NAMES.get(number, "unknown")
    # A column of whole numbers with nulls has decimal ones in pandas.
    known = not isinstance(number, bool) and number in range(len(_LANGUAGES))
    return _LANGUAGES[int(number)] if known else "unknown"


FORMAT = Format(CodeContestsRow, convert_code_contests, license="CC-BY-4.0")
