r"""Row tests: the tests in a row of a buggy and a fixed program, in the shapes in which sets publish them.

    "assert f(1) == 2"  ["assert f(1) == 2", ...]                          Python code, for unittest and pytest, too
    [{"input": "1\n", "output": "2\n"}]  {"inputs": [...], "outputs": [...]}  inputs and outputs of a script
    {"fn_name": "f", "inputs": [[1]], "outputs": [2]}                      calls, as in APPS
    [{"kind": "io", "call": "f(1)", "expected": "2"}]                      this project's own records

Each may be JSON or a Python literal in a text. Two columns of lists are inputs and outputs.
"""

import ast
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError

from iterpref_core.ingestion.published.contest import contest_problem
from iterpref_core.ingestion.published.fields import read_literal
from iterpref_core.ingestion.published.published import LeftOutError
from iterpref_core.input_files import RepeatedKeyError
from iterpref_core.records import AssertTest, Problem, PytestTest, Test, UnittestTest
from iterpref_core.source_code.syntax_tree import parse_source

_OWN: TypeAdapter[tuple[Test, ...]] = TypeAdapter(tuple[Test, ...])


def read_tests(values: Sequence[Any], asked: Problem) -> tuple[Problem, ...]:
    """Return a problem with the tests of a row, once for each reading of them; none if the row has no tests.

    Args:
        values: the values of the columns of tests.
        asked: the problem without tests.

    Raises:
        ValueError: the tests have another shape, or cannot be used.
    """
    found = [_value(value) for value in values]
    found = [value for value in found if value]
    if not found:
        return ()
    if all(isinstance(value, str) for value in found):
        code = "\n".join(found)
        return (asked.model_copy(update={"tests": (_code_test(code, asked.entry_point),)}),)
    if len(found) == 2 and all(isinstance(value, list) for value in found):
        return _examples({"inputs": found[0], "outputs": found[1]}, asked)
    if len(found) > 1:
        raise ValueError("the tests are one column, several columns of code, or a column of inputs and one of outputs")
    (tests,) = found
    if isinstance(tests, Mapping):
        return _examples(_named_as_apps(tests), asked)
    if isinstance(tests, list) and all(isinstance(test, str) for test in tests):
        codes = tuple(_code_test(test, asked.entry_point) for test in tests if test.strip())
        return (asked.model_copy(update={"tests": codes}),) if codes else ()
    if isinstance(tests, list) and all(isinstance(test, Mapping) for test in tests):
        if all("kind" in test for test in tests):
            return (asked.model_copy(update={"tests": _own(tests)}),)
        return _examples(tests, asked)
    raise ValueError("the tests are code, inputs and outputs, or records with `kind`; name another column")


def _value(value: Any) -> Any:
    """Return a column's value; a text that is JSON or a literal of lists or mappings is read."""
    if not isinstance(value, str):
        return value
    if not value.lstrip().startswith(("[", "{")):
        return value if value.strip() else None
    try:
        return read_literal("tests", value)
    except RepeatedKeyError:
        raise
    except ValueError:
        return value


def _code_test(code: str, entry_point: str) -> AssertTest | PytestTest | UnittestTest:
    """Return a test of Python code; a function `check(candidate)`, as in HumanEval, is called if the code does not.

    Raises:
        ValueError: the code is no Python, or demands nothing of a program: nothing calls its functions, or the result
            of a comparison is not used.
    """
    try:
        body = parse_source(code).body
    except SyntaxError as error:
        raise ValueError(f"a test is no Python ({error.msg})") from None
    if any(isinstance(node, ast.ClassDef) and _is_test_case(node) for node in body):
        return UnittestTest(code=code)
    if any(isinstance(node, ast.Expr) and isinstance(node.value, _UNUSED) for node in body):
        raise ValueError("a test compares and does not use the result; write `assert` before it")
    only_defines = all(isinstance(node, _DEFINING) for node in body)
    functions = {node.name for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    if not (only_defines and functions):
        return AssertTest(code=code)
    if any(isinstance(node, ast.ImportFrom) and node.module == "solution" for node in body):
        return PytestTest(code=code)
    if "check" not in functions:
        raise ValueError("the tests define functions, and nothing calls them; those of pytest import from `solution`")
    if not entry_point:
        raise ValueError(
            "the tests define `check` and do not call it; name the column of the function's name, such as "
            "entry_point=entry_point"
        )
    return AssertTest(code=f"{code}\n\ncheck({entry_point})\n")


_UNUSED = ast.Compare | ast.BoolOp | ast.UnaryOp
_DEFINING = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom | ast.Assign


def _is_test_case(node: ast.ClassDef) -> bool:
    """Return True for `class A(TestCase)` and `class A(unittest.TestCase)`."""
    return any(ast.unparse(base).rpartition(".")[2] == "TestCase" for base in node.bases)


def _own(tests: Any) -> tuple[Test, ...]:
    try:
        return _OWN.validate_python(tests)
    except ValidationError as error:
        raise ValueError(f"a test is no such record ({error.errors()[0]['msg']})") from None


def _named_as_apps(tests: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a table of tests with the names of APPS's columns; CodeContests calls them `input` and `output`."""
    if "input" in tests and "output" in tests:
        return {**tests, "inputs": tests["input"], "outputs": tests["output"]}
    return tests


def _examples(tests: Any, asked: Problem) -> tuple[Problem, ...]:
    """Return the readings of inputs and outputs.

    Raises:
        ValueError: the tests are broken, or no test can be used.
    """
    if isinstance(tests, list):
        tests = [_one_output(test) for test in tests]
    try:
        made = contest_problem(
            asked.task_id,
            "the statement stands in the row",
            tests,
            source="",
            function=asked.entry_point,
            # A right program decides between readings: the fixed one is not known to be right yet, but must pass.
            right=lambda: ("pass",),
        )
    except LeftOutError as error:
        raise ValueError(error.explanation or error.reason) from None
    readings = (made.problem, *made.other_readings)
    chosen = ("tests", "setup", "entry_point")
    return tuple(asked.model_copy(update={name: getattr(reading, name) for name in chosen}) for reading in readings)


def _one_output(test: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a test whose output may be a list of all right outputs, as in xCodeEval.

    Raises:
        ValueError: several outputs are right, of which a comparison knows one.
    """
    output = test.get("output")
    if "fn_name" in test or not isinstance(output, list):
        return test
    if len(output) != 1:
        raise ValueError(f"a test has {len(output)} right outputs, and a comparison knows one")
    return {**test, "output": output[0]}
