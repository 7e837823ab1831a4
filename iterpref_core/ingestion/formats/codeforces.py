"""Format `codeforces`: open-r1's Codeforces problems, with checkers, and the answers of its `codeforces-cots`."""

from collections import Counter
from typing import Any

from iterpref_core.ingestion.published.fields import Json, as_rows, as_text
from iterpref_core.ingestion.published.programs import program_in, right_programs
from iterpref_core.ingestion.published.published import Format, LeftOutError, PublishedProblem, Row
from iterpref_core.ingestion.published.stdin_tests import stdin_tests
from iterpref_core.ingestion.published.time_limits import read_time_limit
from iterpref_core.ingestion.published.usable_tests import usable_tests
from iterpref_core.ingestion.published.wording import ask_for_script, check_statement
from iterpref_core.records import Problem

_CHECKER = '''\
SOURCE = {source!r}


def check(input, expected, printed):
    """Run the set's checker, which reads three files named on its command line, and prints the score."""
    import contextlib, io, pathlib, sys, tempfile
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["checker.py"]
        for name, text in (("input", input), ("expected", expected), ("printed", printed)):
            path = pathlib.Path(folder, name)
            path.write_text(text)
            arguments.append(str(path))
        score = io.StringIO()
        sys.argv = arguments
        with contextlib.redirect_stdout(score), contextlib.suppress(SystemExit):
            exec(compile(SOURCE, "checker.py", "exec"), {{"__name__": "__main__"}})
    return float((score.getvalue().split() or ["0"])[-1]) > 0
'''
"""The set's checkers are scripts, which read three files and print 1 or 0. This function runs such a script."""


class CodeforcesRow(Row):
    """A row; `generation` is an answer of codeforces-cots, which may be wrong."""

    id: str
    title: str | None = None
    description: str | None = None
    input_format: str | None = None
    output_format: str | None = None
    note: str | None = None
    examples: Json = None
    official_tests: Json = None
    generated_checker: str | None = None
    generation: str | None = None
    time_limit: Any = None
    input_mode: str | None = None
    interaction_format: str | None = None


def convert_codeforces(row: CodeforcesRow) -> PublishedProblem:
    """Return the problem; the examples of the statement are visible, all official tests hidden."""
    if row.interaction_format or row.input_mode not in {None, "stdio"}:
        raise LeftOutError("not_stdin", "it is interactive, or reads a file")
    examples = as_rows("examples", row.examples, "input", "output")
    official = as_rows("official_tests", row.official_tests, "input", "output")
    has_checker = bool(row.generated_checker)
    examples, official, tests_left_out = usable_tests(examples, official, checker=has_checker)
    if not examples:
        # A problem needs a visible test: the first official one becomes visible.
        examples = official[:1]
        official = official[1:]
    if not examples:
        raise LeftOutError("no_tests")
    check_statement(row.description)
    checker = None
    if row.generated_checker:
        checker = _CHECKER.format(source=row.generated_checker)
    hidden = [test for test in official if test not in examples]
    left_out: Counter[str] = Counter()
    limit_s, fault = read_time_limit(row.time_limit)
    problem = Problem(
        task_id=f"codeforces/{row.id}",
        prompt=ask_for_script(_statement(row, examples)),
        tests=stdin_tests(examples, checker=checker),
        hidden_tests=stdin_tests(hidden, checker=checker),
        source="codeforces",
        time_limit_s=limit_s,
    )
    right: tuple[str, ...] = ()
    if row.generation is not None:
        right = right_programs([program_in(row.generation)], left_out)
    return PublishedProblem(
        problem,
        right=right,
        left_out=left_out,
        tests_left_out=tests_left_out,
        limit_left_out=fault,
    )


def _statement(row: CodeforcesRow, examples: list[tuple[Any, Any]]) -> str:
    sections = [
        ("# ", row.title),
        ("", row.description),
        ("## Input\n", row.input_format),
        ("## Output\n", row.output_format),
    ]
    for given, printed in examples:
        sections.append(("## Example\nInput:\n", f"{as_text(given).rstrip()}\nOutput:\n{as_text(printed).rstrip()}"))
    sections.append(("## Note\n", row.note))
    return "\n\n".join(heading + text for heading, text in sections if text)


FORMAT = Format(CodeforcesRow, convert_codeforces, license="CC-BY-4.0")
