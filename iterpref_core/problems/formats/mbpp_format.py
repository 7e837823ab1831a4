"""MBPP's file (Austin et al. 2021, `mbpp.jsonl`): a sentence, a program and assertions."""

import ast
import builtins
import re
from functools import cache
from pathlib import Path

from iterpref_core.records import AssertTest, Problem, Record
from iterpref_core.source_code.syntax_tree import parse_source

_MBPP_PLUS_IDS = Path(__file__).with_name("mbpp_plus_ids.txt")


@cache
def mbpp_plus_ids() -> frozenset[int]:
    """Numbers of the MBPP tasks that MBPP+ evaluates on: what is trained on leaves them out."""
    lines = _MBPP_PLUS_IDS.read_text(encoding="utf-8").splitlines()
    return frozenset(int(number) for line in lines if not line.startswith("#") for number in line.split())


class MbppTask(Record):
    """A line of MBPP's file."""

    text: str
    code: str
    task_id: int
    test_setup_code: str
    test_list: tuple[str, ...]
    challenge_test_list: tuple[str, ...]


def tested_function(test: str, program: str) -> str:
    """The function of a program that an assertion calls first.

    Raises:
        ValueError: it calls none by name, or is no Python.

    >>> tested_function("assert set(similar((3, 4), (5, 4))) == {4}", "def similar(a, b): ...")
    'similar'
    """
    try:
        tree = parse_source(test)
    except SyntaxError as error:
        raise ValueError(f"not valid Python ({error.msg})") from None
    names = [node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    defined = set(re.findall(r"^(?:def|class)\s+(\w+)", program, re.MULTILINE))
    candidates = [name for name in names if name in defined or not hasattr(builtins, name)]
    if not candidates:
        raise ValueError("calls no function by name")
    return candidates[0]


def convert_mbpp(task: MbppTask) -> Problem:
    """A task as a problem.

    As MBPP's authors prompt it (Austin et al. 2021, section 3), the task comes with its assertions, which tell the
    function's name; those of `challenge_test_list` are hidden.

    Raises:
        ValueError: the line cannot be used.
    """
    if not task.test_list:
        raise ValueError("field 'test_list': is empty")
    try:
        entry_point = tested_function(task.test_list[0], task.code)
    except ValueError as error:
        raise ValueError(f"field 'test_list': {error}") from None
    # MBPP runs a task's set-up after the program, since it uses what the program defines.
    setup = task.test_setup_code.replace("\r\n", "\n") + "\n" if task.test_setup_code else ""
    return Problem(
        task_id=f"mbpp/{task.task_id}",
        prompt="\n".join([f"{task.text} Your code should pass these tests:\n", *task.test_list]),
        entry_point=entry_point,
        tests=tuple(AssertTest(code=setup + code) for code in task.test_list),
        hidden_tests=tuple(AssertTest(code=setup + code) for code in task.challenge_test_list),
        reference=task.code.replace("\r\n", "\n"),
        source="mbpp",
    )
