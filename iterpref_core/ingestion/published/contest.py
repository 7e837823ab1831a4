r"""Contest problems: the common parts of the layouts of APPS, its descendants, and LiveCodeBench.

Tests come as one mapping, or as a list with a mapping for each test:

    {"fn_name": "add", "inputs": [[1, 2]], "outputs": [3]}                         APPS, TACO; without fn_name a script
    [{"type": "function_call", "fn_name": "add", "input": [1, 2], "output": 3}]    PrimeIntellect
    [{"testtype": "functional", "input": "1\n2", "output": "3"}]                   LiveCodeBench; the name stands apart
"""

from collections.abc import Callable, Mapping
from typing import Any

from iterpref_core.ingestion.published.call_tests import (
    CONTEST_SETUP,
    call_of,
    json_in_text,
    read_arguments,
    readings,
)
from iterpref_core.ingestion.published.fields import Json, as_rows, read_json, read_object
from iterpref_core.ingestion.published.published import LeftOutError, PublishedProblem
from iterpref_core.ingestion.published.stdin_tests import stdin_tests
from iterpref_core.ingestion.published.usable_tests import usable_tests
from iterpref_core.ingestion.published.wording import ask_for_call, ask_for_script
from iterpref_core.records import Problem

_KINDS = {"stdin_stdout": "script", "stdin": "script", "function_call": "call", "functional": "call"}
"""The kinds of tests by the words of PrimeIntellect's verifier and of LiveCodeBench's grader."""


def contest_problem(
    task_id: str,
    question: str,
    tests: Json,
    *,
    source: str,
    starter_code: str = "",
    function: str = "",
    class_name: str = "",
    time_limit_s: float | None = None,
    visible: int | None = None,
    right: Callable[[], tuple[str, ...]] = tuple,
    left_out: Mapping[str, int] | None = None,
) -> PublishedProblem:
    """Return a contest problem, with stdin tests of a script or with call tests of a function.

    Args:
        task_id: name of the problem.
        question: the statement.
        tests: see above; may be JSON in a text.
        source: the set.
        starter_code: code that the answer begins with; may be empty.
        function: name of the function, if the tests do not name it.
        class_name: class of the method, if the set names one.
        time_limit_s: CPU seconds for each test, if the set has a limit.
        visible: number of visible tests, the first ones; all by default.
        right: returns the right programs; called only if the row has tests.
        left_out: counts of programs in other languages, complete after `right` has returned.

    Raises:
        LeftOutError: there is no test, or `right` raises it, because there is no right program.
        ValueError: the tests are broken.
    """
    found = read_json("tests", tests)
    kind, named, examples = _examples(found)
    # LiveCodeBench's layout says so: its grader reads each result as JSON.
    results_are_json = isinstance(found, list) and all("testtype" in test for test in found)
    if not examples:
        raise LeftOutError("no_tests")
    # The kind decides, as in the publishers' graders; a test of a script may name a function all the same.
    function = "" if kind == "script" else function or named
    if kind == "call" and not function:
        raise ValueError("field 'tests': they call a function, and nothing names it")
    programs = right()
    shown, hidden, tests_left_out = usable_tests(
        examples[:visible],
        () if visible is None else examples[visible:],
        script=not function,
        keep_null=bool(function and programs),
    )
    examples = [*shown, *hidden]
    visible = None if visible is None else len(shown)
    if not examples:
        listed = ", ".join(f"{count} {reason}" for reason, count in sorted(tests_left_out.items()))
        raise LeftOutError("no_tests", f"no test can be used ({listed})")
    if not function:
        problem = Problem(
            task_id=task_id,
            prompt=ask_for_script(question, starter_code),
            tests=stdin_tests(examples),
            source=source,
            time_limit_s=time_limit_s,
        )
        return PublishedProblem(
            _split(problem, visible),
            right=programs,
            left_out=left_out or {},
            tests_left_out=tests_left_out,
        )
    # The starter code shows whether the function is a method of a class; without it the first right program does.
    call = call_of(function, starter_code or "".join(programs[:1]), class_name)
    asked = Problem(
        task_id=task_id,
        prompt=ask_for_call(question, call, starter_code),
        entry_point=call,
        tests=(),
        setup=CONTEST_SETUP,
        source=source,
        time_limit_s=time_limit_s,
    )
    calls = [(read_arguments(given), result) for given, result in examples]
    if results_are_json:
        calls = [(arguments, json_in_text(result)) for arguments, result in calls]
    first, *others = [_split(reading, visible) for reading in readings(asked, calls)]
    return PublishedProblem(
        first,
        right=programs,
        other_readings=tuple(others),
        left_out=left_out or {},
        tests_left_out=tests_left_out,
    )


def _examples(tests: Any) -> tuple[str, str, list[tuple[Any, Any]]]:
    """Return the kind that the tests state, `script`, `call` or empty, the called function's name, and the examples.

    Raises:
        ValueError: the tests are of an unknown kind, or of several, or call several functions.
    """
    if not tests:
        return "", "", []
    if isinstance(tests, Mapping):
        return "", _name(tests.get("fn_name")), as_rows("tests", tests, "inputs", "outputs")
    examples = as_rows("tests", tests, "input", "output")
    kinds = {(_kind_of(test), _function_of(test)) for test in tests}
    if len(kinds) > 1:
        raise ValueError(f"field 'tests': all must be of one kind and call one function, not {sorted(kinds)}")
    kind, name = kinds.pop()
    return kind, name, examples


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
    metadata = read_object("metadata", test.get("metadata"))
    return _name(test.get("fn_name") or metadata.get("func_name"))


def _name(value: Any) -> str:
    if value is not None and not isinstance(value, str):
        raise ValueError(f"field 'tests': the name of a function is a text, not {type(value).__name__}")
    return value or ""


def _split(problem: Problem, visible: int | None) -> Problem:
    if visible is None:
        return problem
    # A problem needs a visible test, even if its set shows none.
    visible = max(visible, 1)
    return problem.model_copy(update={"tests": problem.tests[:visible], "hidden_tests": problem.tests[visible:]})
