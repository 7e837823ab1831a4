"""Format `mbpp`: MBPP (Austin et al. 2021), the full file and the sanitized one: a sentence, a program, assertions."""

import ast
import builtins
import re
from collections import Counter
from functools import cache
from pathlib import Path

from iterpref_core.ingestion.published.programs import right_programs
from iterpref_core.ingestion.published.published import Format, LeftOutError, PublishedProblem, Row
from iterpref_core.ingestion.published.wording import check_statement
from iterpref_core.records import AssertTest, Problem
from iterpref_core.source_code.syntax_tree import parse_source

_MBPP_PLUS_IDS = Path(__file__).with_name("mbpp_plus_ids.txt")


@cache
def mbpp_plus_ids() -> frozenset[int]:
    """Return the numbers of the MBPP tasks that MBPP+ evaluates on, and that training leaves out."""
    numbers: set[int] = set()
    for line in _MBPP_PLUS_IDS.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            numbers.update(map(int, line.split()))
    return frozenset(numbers)


class MbppRow(Row):
    """A line of MBPP's full file, or of the sanitized one, which has `prompt` in the place of `text`, and imports."""

    task_id: int
    code: str
    text: str | None = None
    prompt: str | None = None
    test_list: tuple[str, ...]
    test_setup_code: str | None = None
    test_imports: tuple[str, ...] | None = None
    challenge_test_list: tuple[str, ...] | None = None


def tested_function(test: str, program: str) -> str:
    """Return the function of a program that an assertion calls first.

    Raises:
        ValueError: the assertion calls no function by name, or is not Python.

    >>> tested_function("assert set(similar((3, 4), (5, 4))) == {4}", "def similar(a, b): ...")
    'similar'
    """
    try:
        tree = parse_source(test)
    except SyntaxError as error:
        raise ValueError(f"not valid Python ({error.msg})") from None
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            names.append(node.func.id)
    defined = set(re.findall(r"^(?:def|class)\s+(\w+)", program, re.MULTILINE))
    # Of `assert set(similar((3, 4))) == {4}`, `set` is passed over: a built-in that the program does not define.
    candidates = [name for name in names if name in defined or not hasattr(builtins, name)]
    if not candidates:
        raise ValueError("calls no function by name")
    return candidates[0]


def convert_mbpp(row: MbppRow) -> PublishedProblem:
    """Return the problem; a task that MBPP+ evaluates on is left out.

    As MBPP's authors prompt it (Austin et al. 2021, section 3), the task comes with its assertions, which tell the
    function's name; those of `challenge_test_list` are hidden.

    Raises:
        LeftOutError: the task is in MBPP+, or has no tests.
        ValueError: the line cannot be used.
    """
    if row.task_id in mbpp_plus_ids():
        raise LeftOutError("in_mbpp_plus")
    if not row.test_list:
        raise LeftOutError("no_tests")
    question = row.text or row.prompt
    if not question:
        raise ValueError("field 'text': Field required (or 'prompt', as in the sanitized file)")
    check_statement(question)
    left_out: Counter[str] = Counter()
    right = right_programs([row.code], left_out)
    try:
        entry_point = tested_function(row.test_list[0], right[0])
    except ValueError as error:
        raise ValueError(f"field 'test_list': {error}") from None
    setup = _setup(row)
    listed_tests = "\n".join(row.test_list)
    problem = Problem(
        task_id=f"mbpp/{row.task_id}",
        prompt=f"{question} Your code should pass these tests:\n\n{listed_tests}",
        entry_point=entry_point,
        tests=tuple(AssertTest(code=setup + code) for code in row.test_list),
        hidden_tests=tuple(AssertTest(code=setup + code) for code in row.challenge_test_list or ()),
        source="mbpp",
    )
    return PublishedProblem(problem, right=right, left_out=left_out)


def _setup(row: MbppRow) -> str:
    """Return the imports and the set-up that stand before each test; a task may have neither.

    MBPP runs a task's set-up after the program, whose names the set-up may use.
    """
    lines = list(row.test_imports or ())
    if row.test_setup_code:
        lines.append(row.test_setup_code.replace("\r\n", "\n"))
    return "".join(f"{line}\n" for line in lines if line)


FORMAT = Format(MbppRow, convert_mbpp, license="CC-BY-4.0")
