r"""Row tests: the tests in a row, in the shapes in which sets publish them.

    "assert f(1) == 2"  ["assert f(1) == 2", ...]                          Python code, for unittest and pytest, too
    [{"input": "1\n", "output": "2\n"}]  {"inputs": [...], "outputs": [...]}  inputs and outputs of a script
    {"fn_name": "f", "inputs": [[1]], "outputs": [2]}                      calls, as in APPS
    [{"type": "function_call", "fn_name": "f", "input": [1], "output": 2}]    calls, as in PrimeIntellect's sets
    [{"testtype": "functional", "input": "1\n2", "output": "3"}]           calls, as on LiveCodeBench
    {"test_cases": ...}  {"functional": ...}                                one of these in an object

Each may be JSON or a Python literal in a text. Two columns of lists are inputs and outputs.
"""

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

from iterpref_core.problems.ingestion.call_tests import (
    CONTEST_SETUP,
    as_source,
    call_readings,
    is_ambiguous,
    read_arguments,
)
from iterpref_core.problems.ingestion.check_function import tests_of_check
from iterpref_core.problems.ingestion.columns import LeftOutError
from iterpref_core.problems.ingestion.values import as_rows, as_text, read_text_value
from iterpref_core.programs.source_code.names import bound_names, is_name, unbound_names
from iterpref_core.programs.source_code.syntax_tree import parse_source
from iterpref_core.records import AssertTest, Problem, PytestTest, StdinTest, Test, UnittestTest

TOLERANCE = 1e-5
"""The allowed difference of a decimal number from the expected one, absolute or relative. APPS's grader and the rule of
CodeContests have this value. All sets use it, since no right program can know how many decimals a set shows."""
_DECIMAL = re.compile(r"(?:^|\s)[-+]?(?:\d+\.\d*|\.\d+|\d+(?:\.\d+)?[eE][-+]?\d+)(?=\s|$)")
_KINDS = {"stdin_stdout": "script", "stdin": "script", "function_call": "call", "functional": "call"}
"""The kinds of tests by the words of PrimeIntellect's verifier and of LiveCodeBench's grader."""
_NESTED = ("test_cases", "unit_tests", "functional", "assert_case", "test_code", "pytest")
"""The fields of an object in which tests stand, in the sets for verl, NeMo Gym and PrimeIntellect's verifier."""
_DEFINING = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom | ast.Assign


@dataclass(frozen=True)
class Rules:
    """Facts of a row that decide how its tests are read.

    Attributes:
        programs: right programs, which decide between readings.
        starter_code: code that the answer begins with.
        ignore_case: True if the set's own rule ignores case in a script's output.
        checker: source of a function that judges a script's output.
    """

    programs: Sequence[str] = ()
    starter_code: str = ""
    ignore_case: bool = False
    checker: str | None = None


class _Example(NamedTuple):
    """An input and the output of a script, or the arguments and the result of a call.

    Attributes:
        kind: `script` or `call`, where the test says it.
        function: the function's name, where the test says it.
    """

    given: Any
    expected: Any
    kind: str = ""
    function: str = ""


def read_tests(
    asked: Problem, visible: Sequence[Any], hidden: Sequence[Any] = (), rules: Rules | None = None
) -> tuple[Iterator[Problem], Counter[str]]:
    """Return a problem with the tests of a row, once for each reading of them, and the tests that are not used.

    A reading is made when it is asked for: there may be eight of thousands of calls, and mostly the first is meant.

    Args:
        asked: the problem without tests; its entry point is called if the tests name no function.
        visible: the values of the columns of visible tests.
        hidden: the values of the columns of hidden tests.
        rules: facts that decide how they are read.

    Returns:
        The readings, none if the row has no tests; and `tests_left_out/<reason>`: numbers of tests that are not used.

    Raises:
        LeftOutError: no test can be used.
        ValueError: the tests have another shape, or are broken.
    """
    shown = _find(visible)
    every = [*shown, *_find(hidden)]
    codes = [test for test in every if isinstance(test, str)]
    examples = [test for test in every if isinstance(test, _Example)]
    if codes and examples:
        raise ValueError("some of the tests are code, and others are inputs and outputs; name columns of one kind")
    if examples:
        return _read_examples(asked, examples, len(shown), rules or Rules())
    if not codes:
        return iter(()), Counter()
    tests = [_tests_of_code(code, asked.entry_point) for code in codes]
    number = sum(map(len, tests[: len(shown)]))
    return iter([_with_tests(asked, tuple(chain.from_iterable(tests)), number)]), Counter()


def _read_examples(
    asked: Problem, examples: Sequence[_Example], shown: int, rules: Rules
) -> tuple[Iterator[Problem], Counter[str]]:
    """Return a problem with the tests of inputs and outputs, of which the first ones are visible; see `read_tests`."""
    kinds = {example.kind for example in examples} - {""}
    functions = {example.function for example in examples} - {""}
    if len(kinds) > 1 or len(functions) > 1:
        raise ValueError(f"all tests must be of one kind and call one function, not {sorted(kinds | functions)}")
    # The kind decides, as in the publishers' graders; a test of a script may name a function all the same.
    function = "" if "script" in kinds else asked.entry_point or "".join(functions)
    if "call" in kinds and not function:
        raise ValueError("field 'tests': they call a function, and nothing names it")
    if function and not all(map(is_name, function.split("()."))):
        raise ValueError(f"entry_point: {function!r} is no name of a function, such as `add` or `Solution().add`")
    places, left_out = _usable(examples, rules, script=not function)
    if not places:
        listed = ", ".join(f"{count} {reason}" for reason, count in sorted(left_out.items()))
        raise LeftOutError("no_tests", f"no test can be used ({listed})")
    left_out = Counter({f"tests_left_out/{reason}": count for reason, count in left_out.items()})
    used = [examples[place] for place in places]
    number = sum(place < shown for place in places)
    if not function:
        script = asked.model_copy(update={"entry_point": ""})
        return iter([_with_tests(script, tuple(_stdin_test(example, rules) for example in used), number)]), left_out
    # The starter code shows whether the function is a method of a class; without it the first right program does.
    in_class = "class Solution" in (rules.starter_code or "".join(rules.programs[:1])) and "." not in function
    call = f"Solution().{function}" if in_class else function
    called = asked.model_copy(update={"entry_point": call, "setup": asked.setup or CONTEST_SETUP})
    calls = [(read_arguments(example.given), example.expected) for example in used]
    in_texts = all(isinstance(example.given, str) for example in used)
    named = any(isinstance(example.given, Mapping) for example in used)
    if not rules.programs and (named or (not in_texts and is_ambiguous(calls))):
        raise LeftOutError(
            "reading_unknown",
            'a result `[1]` may mean 1, a key "1" the number, and an object the names of arguments; a column with '
            "right programs, reference=, decides",
        )
    readings = call_readings(call, calls, in_texts=in_texts)
    return (_with_tests(called, tests, number) for tests in readings), left_out


def _with_tests(problem: Problem, tests: tuple[Test, ...], visible: int) -> Problem:
    # A problem needs a visible test, even if its set shows none.
    number = max(visible, 1)
    return problem.model_copy(update={"tests": tests[:number], "hidden_tests": tests[number:]})


def _find(values: Sequence[Any]) -> list[str | _Example]:
    """Return the tests in the columns of a row: code, a column of inputs and one of outputs, or examples of both."""
    found = [value for value in map(_unpacked, values) if value]
    if found and all(isinstance(value, str) for value in found):
        return ["\n".join(found)]
    if len(found) == 2 and all(map(_is_list_of_values, found)) and not any(map(_has_assertions, found)):
        found = [{"inputs": found[0], "outputs": found[1]}]
    tests: list[str | _Example] = []
    for value in found:
        records = value if isinstance(value, list) else [value]
        if all(isinstance(test, str | None) for test in records):
            tests += [test for test in records if test and test.strip()]
            continue
        if not all(isinstance(record, Mapping) for record in records):
            raise ValueError("the tests are code, inputs and outputs; name another column")
        names = ("inputs", "outputs") if "inputs" in records[0] else ("input", "output")
        # {"input": "[1]", "output": "[2]"} is one test, and {"inputs": "[1]", "outputs": "[2]"} has lists of them.
        is_one = isinstance(records[0].get("input"), str)
        read = as_rows(records if is_one else value, *names)
        # An object of two columns says for all of its rows what a record says for itself.
        stated = [_kind_and_function(record) for record in records] * (len(read) // len(records))
        for (given, output), (kind, function) in zip(read, stated, strict=True):
            tests.append(_Example(given, output, kind, function))
    return tests


def _has_assertions(values: list[Any]) -> bool:
    """Return True for a list of Python code with assertions, which is no list of inputs or outputs."""
    return all(isinstance(value, str) and re.search(r"^\s*assert\b", value, re.MULTILINE) for value in values)


def _is_list_of_values(value: Any) -> bool:
    """Return True for a list of inputs or outputs, False for one of records that hold both."""
    return isinstance(value, list) and not isinstance(value[0], Mapping)


def _unpacked(value: Any) -> Any:
    """Return the tests in a column, also if they stand in a field of an object."""
    read = read_text_value(value)
    inside = [name for name in _NESTED if isinstance(read, Mapping) and read.get(name)]
    return _unpacked(read[inside[0]]) if inside else read


def _kind_and_function(test: Mapping[str, Any]) -> tuple[str, str]:
    stated = test.get("testtype") or test.get("type")
    kind = _KINDS.get(stated) if stated else "call" if test.get("fn_name") else ""
    if kind is None:
        raise ValueError(f"a test is of type {stated!r}, which is none of {', '.join(_KINDS)}")
    metadata = read_text_value(test.get("metadata"))
    inside = metadata.get("func_name") if isinstance(metadata, Mapping) else None
    return kind, "" if kind == "script" else test.get("fn_name") or inside or ""


def _tests_of_code(code: str, entry_point: str) -> tuple[Test, ...]:
    """Return the tests in Python code; a function `check(candidate)`, as in HumanEval, is called if the code does not.

    Raises:
        ValueError: the code is no Python, or nothing calls its functions.
    """
    try:
        tree = parse_source(code)
    except SyntaxError as error:
        raise ValueError(f"a test is not valid Python ({error.msg})") from None
    body = tree.body
    classes = [node for node in body if isinstance(node, ast.ClassDef)]
    if any(ast.unparse(base).rpartition(".")[2] == "TestCase" for node in classes for base in node.bases):
        return (UnittestTest(code=code),)
    functions = [node.name for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    names = [*functions, *(node.name for node in classes)]
    imports = {node.module for node in body if isinstance(node, ast.ImportFrom)}
    imports |= {alias.name for node in body if isinstance(node, ast.Import) for alias in node.names}
    defines_only = all(isinstance(node, _DEFINING) for node in body)
    if any(name.lower().startswith("test") for name in names):
        if "solution" in imports:
            return (PytestTest(code=code),)
        # What the tests read and do not define must be the program's.
        asked = unbound_names(tree) if defines_only else []
        if asked:
            return (PytestTest(code=f"from solution import {', '.join(asked)}\n\n{code}"),)
    # HumanEval-X names the function in the call alone.
    called = entry_point or "".join(re.findall(r"^check\((\w+)\)", code, re.MULTILINE)[:1])
    if "check" in functions and called:
        return tests_of_check(code, called)
    if functions and defines_only:
        raise ValueError(
            "the tests define functions that nothing calls, or that use nothing of the program; those of pytest begin "
            "with `test` and import from `solution`, and `check` needs the column of the function's name, entry_point="
        )
    return (AssertTest(code=code),)


def tested_names(tests: Sequence[Test], program: str) -> list[str]:
    """Return the names that the first test with some asks of a program: those it imports, else the one it calls.

    Raises:
        ValueError: no test calls a function by name, and the first one is assertions.

    >>> test = AssertTest(code="assert set(similar((3, 4), (5, 4))) == {4}")
    >>> tested_names([test], "def similar(a, b): ...")
    ['similar']
    """
    first = tests[0]
    names = next(filter(None, (_names_in(test, program) for test in tests)), [])
    if not names and isinstance(first, AssertTest):
        raise ValueError(
            f"the test {first.code.strip()!r} calls no function by name; name it with --columns entry_point="
        )
    return names


def _names_in(test: Test, program: str) -> list[str]:
    """Return the names that a test asks of a program; see `tested_names`."""
    if not isinstance(test, AssertTest | UnittestTest | PytestTest):
        return []
    tree = parse_source(test.code)
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == "solution"]
    imported = [alias.name for node in imports for alias in node.names if alias.name != "*"]
    if imported:
        return list(dict.fromkeys(imported))
    # A set-up may call something else before; the object of a class is made there.
    parts = [*(node for node in tree.body if isinstance(node, ast.Assert)), *tree.body]
    calls = [node.func for part in parts for node in ast.walk(part) if isinstance(node, ast.Call)]
    written = [ast.unparse(called).removeprefix("solution.") for called in calls]
    names = [name for name in written if name.isidentifier()]
    defined = re.findall(r"^(?:def|class)\s+(\w+)", program, re.MULTILINE)
    # Of `assert set(similar((3, 4))) == {4}`, `set` is passed over: Python or the test defines it, not the program.
    given = bound_names(tree)
    return [name for name in names if name in defined or name not in given][:1]


def _stdin_test(example: _Example, rules: Rules) -> StdinTest:
    """Return the test of a script; a tolerance is allowed if the output has a decimal number."""
    output = as_text(example.expected)
    return StdinTest(
        input=as_text(example.given),
        output=output,
        tolerance=TOLERANCE if _DECIMAL.search(output) and rules.checker is None else None,
        ignore_case=rules.ignore_case,
        checker=rules.checker,
    )


def _usable(examples: Sequence[_Example], rules: Rules, *, script: bool) -> tuple[list[int], Counter[str]]:
    """Return the places of the examples that can be used, and the number of the others by reason.

    The reasons: `null`: the input or the output is null. `several_outputs`: a script may print one of several texts.
    `contradictory`: another test expects
    something else of the same input; neither is used.
    """
    as_one = as_text if script else as_source
    # A right program decides if the result `[null]` means `[None]`.
    keeps_null = bool(rules.programs) and not script
    left_out: Counter[str] = Counter()
    outputs: defaultdict[str, set[str]] = defaultdict(set)
    kept: list[tuple[int, str]] = []
    for place, (given, expected, *_) in enumerate(examples):
        results = expected if isinstance(expected, list) and expected else [expected]
        # An input in lines has an output in lines; a list beside a text is one of texts that are all right.
        if script and isinstance(given, str) and len(results) > 1:
            left_out["several_outputs"] += 1
            continue
        if given is None or expected is None or not (keeps_null or any(result is not None for result in results)):
            left_out["null"] += 1
            continue
        printed = " ".join(as_one(expected).split())
        key = as_one(given).rstrip()
        outputs[key].add(printed.lower() if rules.ignore_case else printed)
        kept.append((place, key))
    clear = [place for place, key in kept if rules.checker or len(outputs[key]) == 1]
    left_out["contradictory"] += len(kept) - len(clear)
    return clear, +left_out
