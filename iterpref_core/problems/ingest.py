"""Foreign problems: read from files, checked by running their references, and cleaned of benchmark tasks."""

import ast
import builtins
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from iterpref_core.config import ExecutionParams
from iterpref_core.errors import InputError, RecordError
from iterpref_core.execution import failing_references, open_executor
from iterpref_core.jsonl import describe_validation_error, parse_lines, write_jsonl
from iterpref_core.records import AssertTest, Problem, Record

Format = Literal["jsonl", "mbpp"]

_MBPP_PLUS_IDS = Path(__file__).with_name("mbpp_plus_ids.txt")


class MbppTask(Record):
    """A line of MBPP's file."""

    text: str
    code: str
    task_id: int
    test_setup_code: str
    test_list: tuple[str, ...]
    challenge_test_list: tuple[str, ...]


@cache
def mbpp_plus_ids() -> frozenset[int]:
    """Numbers of the MBPP tasks that MBPP+ evaluates on."""
    lines = _MBPP_PLUS_IDS.read_text(encoding="utf-8").splitlines()
    return frozenset(int(number) for line in lines if not line.startswith("#") for number in line.split())


def tested_function(test: str) -> str:
    """The function that an assertion calls first.

    Raises:
        ValueError: it calls none by name, or is no Python.

    >>> tested_function("assert set(similar((3, 4), (5, 4))) == {4}")
    'similar'
    """
    try:
        tree = ast.parse(test)
    except SyntaxError as error:
        raise ValueError(f"not valid Python ({error.msg})") from None
    names = [node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    own = [name for name in names if not hasattr(builtins, name)]
    if not own:
        raise ValueError("calls no function by name")
    return own[0]


def from_mbpp(text: str) -> Problem | str:
    """A line of MBPP's file as a problem, or the reason why it is left out.

    As MBPP's authors prompt it, the task comes with an assertion, which tells the function's name.
    """
    task = MbppTask.model_validate_json(text)
    if task.task_id in mbpp_plus_ids():
        return "in_mbpp_plus"
    # MBPP runs a task's set-up after the program, since it uses what the program defines.
    setup = task.test_setup_code.replace("\r\n", "\n") + "\n" if task.test_setup_code else ""
    return Problem(
        task_id=f"mbpp/{task.task_id}",
        prompt=f"{task.text}\nYour code should pass this test: {task.test_list[0]}",
        entry_point=tested_function(task.test_list[0]),
        tests=tuple(AssertTest(code=setup + code) for code in task.test_list),
        hidden_tests=tuple(AssertTest(code=setup + code) for code in task.challenge_test_list),
        reference=task.code.replace("\r\n", "\n"),
        source="mbpp",
    )


_READERS: dict[Format, Callable[[str], Problem | str]] = {
    "jsonl": Problem.model_validate_json,
    "mbpp": from_mbpp,
}


def ingest(source: Path, form: Format, out: Path, execution: ExecutionParams) -> dict[str, float]:
    """Turn a file into `problems.jsonl`; nothing is written unless every problem in it is sound.

    Args:
        source: the file, plain or gzipped (`.gz`).
        form: its format.
        out: JSONL of problems to write.
        execution: limits for running the references.

    Returns:
        `problems`, and `dropped/<reason>` for what was left out.

    Raises:
        RecordError: a line is broken, lacks a field, has no test, repeats a task_id, or its reference fails its tests.
        InputError: the file is absent or has no problem.
    """
    counts: Counter[str] = Counter({"dropped/in_mbpp_plus": 0} if form == "mbpp" else {})
    lines: dict[str, int] = {}
    problems = list(_read(source, form, lines, counts))
    if not problems:
        raise InputError(f"{source}: no problem to ingest; check the file and --format")
    with open_executor(execution) as executor:
        for problem, outcome in failing_references(problems, executor):
            raise RecordError(
                f"{source}:{lines[problem.task_id]}: field 'reference' of {problem.task_id!r}: fails its own tests "
                f"({outcome.verdict}: {outcome.feedback}); correct the reference or the tests"
            )
    counts["problems"] = write_jsonl(out, problems)
    return {name: float(count) for name, count in counts.items()}


def _read(source: Path, form: Format, lines: dict[str, int], counts: Counter[str]) -> Iterator[Problem]:
    """The file's problems; fills in the line of each and counts what is left out."""
    for number, text in parse_lines(source):
        problem = _parse(source, number, text, form)
        if isinstance(problem, str):
            counts[f"dropped/{problem}"] += 1
            continue
        if not problem.tests:
            raise RecordError(f"{source}:{number}: field 'tests' of {problem.task_id!r}: is empty; add a test")
        if problem.task_id in lines:
            raise RecordError(
                f"{source}:{number}: field 'task_id': {problem.task_id!r} was already used on line "
                f"{lines[problem.task_id]}; give every problem its own"
            )
        lines[problem.task_id] = number
        yield problem


def _parse(source: Path, number: int, text: str, form: Format) -> Problem | str:
    try:
        return _READERS[form](text)
    except ValidationError as error:
        message = describe_validation_error(error)
    except (ValueError, IndexError) as error:
        message = f"field 'test_list': {error}"
    raise RecordError(f"{source}:{number}: {message}; correct or remove this line")
