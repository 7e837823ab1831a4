r"""Row tests: the tests in a row, in the shapes in which sets publish them.

    "assert f(1) == 2"  ["assert f(1) == 2", ...]                          Python code, for unittest and pytest, too
    [{"input": "1\n", "output": "2\n"}]  {"inputs": [...], "outputs": [...]}  inputs and outputs of a script
    {"fn_name": "f", "inputs": [[1]], "outputs": [2]}                      calls, as in APPS
    [{"type": "function_call", "fn_name": "f", "input": [1], "output": 2}]    calls, as in PrimeIntellect's sets
    [{"testtype": "functional", "input": "1\n2", "output": "3"}]           calls, as on LiveCodeBench
    {"test_cases": ...}  {"functional": ...}                                one of these in an object
    [{"kind": "io", "call": "f(1)", "expected": "2"}]                      this project's own records

Each may be JSON or a Python literal in a text. Two columns of lists are inputs and outputs.
"""

import ast
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError

from iterpref_core.problems.ingestion.problems.call_tests import CONTEST_SETUP, call_of, call_readings
from iterpref_core.problems.ingestion.problems.check_function import tests_of_check
from iterpref_core.problems.ingestion.problems.published import LeftOutError
from iterpref_core.problems.ingestion.problems.usable_tests import Example, stdin_tests, usable_tests
from iterpref_core.problems.ingestion.values import as_rows, read_text_value
from iterpref_core.programs.source_code.syntax_tree import parse_source
from iterpref_core.records import AssertTest, Problem, PytestTest, Test, UnittestTest

_OWN: TypeAdapter[tuple[Test, ...]] = TypeAdapter(tuple[Test, ...])
_KINDS = {"stdin_stdout": "script", "stdin": "script", "function_call": "call", "functional": "call"}
"""The kinds of tests by the words of PrimeIntellect's verifier and of LiveCodeBench's grader."""
NESTED = ("test_cases", "unit_tests", "functional", "assert_case", "test_code", "pytest")
"""The fields of an object in which tests stand, in the sets for verl, NeMo Gym and PrimeIntellect's verifier."""
_UNUSED = ast.Compare | ast.BoolOp | ast.UnaryOp
_DEFINING = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom | ast.Assign


@dataclass(frozen=True)
class Rules:
    """Facts of a row that decide how its tests are read.

    Attributes:
        programs: right programs, which decide between readings.
        starter_code: code that the answer begins with.
        ignore_case: True if the set's own rule ignores case in what a script prints.
        checker: source of a function that judges what a script prints.
    """

    programs: Sequence[str] = ()
    starter_code: str = ""
    ignore_case: bool = False
    checker: str | None = None


class _Found(NamedTuple):
    """Tests of one kind: tests that are ready, or inputs and outputs, of a script or of calls of a function."""

    tests: tuple[Test, ...] = ()
    examples: Sequence[Example] = ()
    kind: str = ""
    function: str = ""
    json_results: bool = False


def read_tests(
    asked: Problem, visible: Sequence[Any], hidden: Sequence[Any] = (), rules: Rules | None = None
) -> tuple[tuple[Problem, ...], Counter[str]]:
    """Return a problem with the tests of a row, once for each reading of them, and the tests that are not used.

    Args:
        asked: the problem without tests; its entry point is called if the tests name no function.
        visible: the values of the columns of visible tests.
        hidden: the values of the columns of hidden tests.
        rules: facts that decide how they are read.

    Returns:
        The readings, none if the row has no tests; and the number of tests that are not used, by reason.

    Raises:
        LeftOutError: no test can be used.
        ValueError: the tests have another shape, or are broken.
    """
    rules = rules or Rules()
    shown = _find(visible, asked.entry_point)
    others = _find(hidden, asked.entry_point)
    if shown.tests or others.tests:
        if shown.examples or others.examples:
            raise ValueError("the visible tests are of another kind than the hidden ones")
        first, *rest = [*shown.tests, *others.tests]
        number = max(len(shown.tests), 1)
        tests = (first, *rest)
        return (asked.model_copy(update={"tests": tests[:number], "hidden_tests": tests[number:]}),), Counter()
    if not (shown.examples or others.examples):
        return (), Counter()
    return _read_examples(asked, shown, others, rules)


def _find(values: Sequence[Any], entry_point: str) -> _Found:
    found = [_unpacked(value) for value in values]
    found = [value for value in found if value]
    if not found:
        return _Found()
    if all(isinstance(value, str) for value in found):
        return _Found(tests=_code_tests("\n".join(found), entry_point))
    if len(found) > 1 and all(map(_is_table, found)):
        tables = [_find([value], entry_point) for value in found]
        return tables[0]._replace(examples=[example for table in tables for example in table.examples])
    if len(found) == 2 and all(isinstance(value, list) for value in found):
        return _Found(examples=as_rows("tests", {"inputs": found[0], "outputs": found[1]}, "inputs", "outputs"))
    if len(found) > 1:
        raise ValueError("the tests are one column, several columns of code, or a column of inputs and one of outputs")
    (tests,) = found
    if isinstance(tests, Mapping):
        names = ("input", "output") if "input" in tests and "output" in tests else ("inputs", "outputs")
        return _Found(examples=as_rows("tests", tests, *names), function=_name(tests.get("fn_name")))
    if isinstance(tests, list) and all(isinstance(test, str) for test in tests):
        codes = [_code_tests(test, entry_point) for test in tests if test.strip()]
        return _Found(tests=tuple(test for code in codes for test in code))
    if isinstance(tests, list) and all(isinstance(test, Mapping) for test in tests):
        return _find_in_rows(tests)
    raise ValueError("the tests are code, inputs and outputs, or records with `kind`; name another column")


def _unpacked(value: Any) -> Any:
    """Return the tests in a column, also if they stand in a field of an object."""
    read = read_text_value(value)
    inside = [name for name in NESTED if isinstance(read, Mapping) and read.get(name)]
    return _unpacked(read[inside[0]]) if inside else read


def _is_table(value: Any) -> bool:
    rows = value if isinstance(value, list) else [value]
    return bool(rows) and all(isinstance(row, Mapping) and ("input" in row or "inputs" in row) for row in rows)


def _find_in_rows(tests: list[Mapping[str, Any]]) -> _Found:
    if all("kind" in test for test in tests):
        try:
            return _Found(tests=_OWN.validate_python(tests))
        except ValidationError as error:
            raise ValueError(f"a test is no such record ({error.errors()[0]['msg']})") from None
    kinds = {(_kind_of(test), _function_of(test)) for test in tests}
    if len(kinds) > 1:
        raise ValueError(f"field 'tests': all must be of one kind and call one function, not {sorted(kinds)}")
    kind, function = kinds.pop()
    rows = tests if kind else [_one_output(test) for test in tests]
    return _Found(
        examples=as_rows("tests", rows, "input", "output"),
        kind=kind,
        function=function,
        # LiveCodeBench's layout says so: its grader reads each result as JSON.
        json_results=all("testtype" in test for test in tests),
    )


def _kind_of(test: Mapping[str, Any]) -> str:
    stated = test.get("type") if test.get("testtype") is None else test["testtype"]
    if stated is None:
        return ""
    if not isinstance(stated, str) or stated not in _KINDS:
        raise ValueError(f"field 'tests': a test is of type {stated!r}, which is none of {', '.join(_KINDS)}")
    return _KINDS[stated]


def _function_of(test: Mapping[str, Any]) -> str:
    if _kind_of(test) == "script":
        return ""
    metadata = read_text_value(test.get("metadata"))
    return _name(test.get("fn_name") or (metadata.get("func_name") if isinstance(metadata, Mapping) else None))


def _name(value: Any) -> str:
    if value is not None and not isinstance(value, str):
        raise ValueError(f"field 'tests': the name of a function is a text, not {type(value).__name__}")
    return value or ""


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


def _code_tests(code: str, entry_point: str) -> tuple[Test, ...]:
    """Return the tests in Python code; a function `check(candidate)`, as in HumanEval, is called if the code does not.

    Raises:
        ValueError: the code is no Python, or demands nothing of a program: nothing calls its functions, or the result
            of a comparison is not used.
    """
    try:
        body = parse_source(code).body
    except SyntaxError as error:
        raise ValueError(f"a test is not valid Python ({error.msg})") from None
    if any(isinstance(node, ast.ClassDef) and _is_test_case(node) for node in body):
        return (UnittestTest(code=code),)
    functions = {node.name for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    if any(isinstance(node, ast.ImportFrom) and node.module == "solution" for node in body):
        classes = {node.name for node in body if isinstance(node, ast.ClassDef)}
        if any(name.startswith(("test", "Test")) for name in functions | classes):
            return (PytestTest(code=code),)
    if "check" in functions and entry_point:
        return tests_of_check(code, entry_point)
    if any(isinstance(node, ast.Expr) and isinstance(node.value, _UNUSED) for node in body):
        raise ValueError("a test compares and does not use the result; write `assert` before it")
    if not (all(isinstance(node, _DEFINING) for node in body) and functions):
        return (AssertTest(code=code),)
    if "check" in functions:
        raise ValueError(
            "the tests define `check` and do not call it; name the column of the function's name, such as "
            "entry_point=entry_point"
        )
    raise ValueError("the tests define functions, and nothing calls them; those of pytest import from `solution`")


def _is_test_case(node: ast.ClassDef) -> bool:
    """Return True for `class A(TestCase)` and `class A(unittest.TestCase)`."""
    return any(ast.unparse(base).rpartition(".")[2] == "TestCase" for base in node.bases)


def _read_examples(
    asked: Problem, shown: _Found, others: _Found, rules: Rules
) -> tuple[tuple[Problem, ...], Counter[str]]:
    """Return the readings of inputs and outputs."""
    kind = shown.kind or others.kind
    # The kind decides, as in the publishers' graders; a test of a script may name a function all the same.
    function = "" if kind == "script" else asked.entry_point or shown.function or others.function
    if kind == "call" and not function:
        raise ValueError("field 'tests': they call a function, and nothing names it")
    visible, hidden, left_out = usable_tests(
        shown.examples,
        others.examples,
        script=not function,
        keep_null=bool(function and rules.programs),
        checker=rules.checker is not None,
        ignore_case=rules.ignore_case,
    )
    if not (visible or hidden):
        listed = ", ".join(f"{count} {reason}" for reason, count in sorted(left_out.items()))
        raise LeftOutError("no_tests", f"no test can be used ({listed})")
    # A problem needs a visible test, even if its set shows none.
    number = max(len(visible), 1)
    examples = [*visible, *hidden]
    if not function:
        tests = stdin_tests(examples, ignore_case=rules.ignore_case, checker=rules.checker)
        changes = {"entry_point": "", "tests": tests[:number], "hidden_tests": tests[number:]}
        return (asked.model_copy(update=changes),), left_out
    # The starter code shows whether the function is a method of a class; without it the first right program does.
    call = call_of(function, rules.starter_code or "".join(rules.programs[:1]))
    called = asked.model_copy(update={"entry_point": call, "setup": asked.setup or CONTEST_SETUP})
    json_results = (shown if shown.examples else others).json_results
    found = []
    for reading in call_readings(called, examples, json_results=json_results):
        found.append(
            reading.model_copy(update={"tests": reading.tests[:number], "hidden_tests": reading.tests[number:]})
        )
    return tuple(found), left_out
