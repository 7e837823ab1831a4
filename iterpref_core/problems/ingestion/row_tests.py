r"""Read the tests in a row, in the shapes that sets publish.

    "assert f(1) == 2"  ["assert f(1) == 2", ...]  {"test_1": "assert ..."}    Python code; see code_tests.py
    [{"input": "1\n", "output": "2\n"}]  {"inputs": [...], "outputs": [...]}  inputs and outputs of a script
    {"fn_name": "f", "inputs": [[1]], "outputs": [2]}                      calls, as in APPS
    [{"type": "function_call", "fn_name": "f", "input": [1], "output": 2}]    calls, as in PrimeIntellect's sets
    [{"testtype": "functional", "input": "1\n2", "output": "3"}]           calls, as on LiveCodeBench
    [{"kind": "io", "call": "f(1)", "expected": "2"}]                      this project's own tests

Each may be JSON or a Python literal in a text. Two columns of lists are inputs and outputs, and two texts are one input
and its output.
"""

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

from pydantic import TypeAdapter

from iterpref_core.programs.source_code.names import is_name
from iterpref_core.records import IoTest, Problem, StdinTest, Test, is_null

from .call_tests import CONTEST_SETUP, as_source, call_readings, is_ambiguous, read_arguments
from .code_tests import read_code
from .columns import NULL_WORDS, LeftOutError
from .values import as_rows, as_text, read_text_value

TOLERANCE = 1e-5
"""The allowed difference of a decimal number from the expected one, absolute or relative. APPS's grader and the rule of
CodeContests have this value. All sets use it, since no right program can know how many decimals a set shows."""
_DECIMAL = re.compile(r"(?:^|\s)[-+]?(?:\d+\.\d*|\.\d+|\d+(?:\.\d+)?[eE][-+]?\d+)(?=\s|$)")
_KINDS = {"stdin_stdout": "script", "stdin": "script", "function_call": "call", "functional": "call"}
"""The kinds of tests by the words of PrimeIntellect's verifier and of LiveCodeBench's grader."""
_CODE = re.compile(
    r"^\s*(?:assert\b|(?:def|class|import|async|with)\s|from\s+\S+\s+import\b|>>>|```)|\bcheck\(", re.MULTILINE
)
"""Signs of code in a test. Two texts without them are the input and the output of a script."""
_ASSERTION = re.compile(r"^\s*assert\b", re.MULTILINE)
_OWN_TEST: TypeAdapter[Test] = TypeAdapter(Test)


@dataclass(frozen=True)
class ReadingHints:
    """Hints of a row that decide how its tests are read.

    Attributes:
        programs: right programs, which decide between readings.
        starter_code: code that the answer begins with.
        ignore_case: True if the set's own rule ignores case in a script's output.
        checker: source of a function that judges a script's output.
        modules: modules other than `solution` that tests import for the program.
    """

    programs: Sequence[str] = ()
    starter_code: str = ""
    ignore_case: bool = False
    checker: str | None = None
    modules: Sequence[str] = ()


class _Example(NamedTuple):
    """An input and the output of a script, or the arguments and the result of a call.

    Attributes:
        kind: `script` or `call`, if the test states it.
        function: the function's name, if the test states it.
    """

    input: Any
    expected: Any
    kind: str = ""
    function: str = ""


def read_tests(
    untested: Problem, visible: Sequence[Any], hidden: Sequence[Any], hints: ReadingHints
) -> tuple[Iterator[Problem], Counter[str]]:
    """Return a problem with the tests of a row, once for each reading of them, and the tests that are not used.

    A reading is made when it is asked for: there may be eight of thousands of calls, and mostly the first is meant.

    Args:
        untested: the problem without tests; its entry point is called if the tests name no function.
        visible: the values of the columns of visible tests.
        hidden: the values of the columns of hidden tests.
        hints: what decides how they are read.

    Returns:
        The readings, none if the row has no tests; and `tests_left_out/<reason>`: numbers of tests that are not used.

    Raises:
        LeftOutError: no test can be used.
        ValueError: the tests have another shape, or are broken.
    """
    if not hints.programs and _are_numbers_in_texts(visible):
        # The texts `[3, 1]` and `[1, 3]` may be two inputs and two outputs, or a line for a script and its output.
        raise LeftOutError("reading_unknown", "its lists may be one test or several; a column reference= shows it")
    shown = _find(visible)
    every = [*shown, *_find(hidden)]
    examples = [test for test in every if isinstance(test, _Example)]
    if 0 < len(examples) < len(every):
        raise ValueError("some of the tests are code, and others are inputs and outputs; name columns of one kind")
    if examples:
        return _read_examples(untested, examples, len(shown), hints)
    # A text of code may hold several tests.
    tests: list[tuple[Test, ...]] = []
    for test in every:
        if isinstance(test, str):
            tests.append(read_code(test, untested.entry_point, hints.modules))
        elif not isinstance(test, _Example):
            tests.append((test,))
    if not tests:
        return iter([]), Counter()
    number = sum(map(len, tests[: len(shown)]))
    return iter([_with_tests(untested, tuple(chain.from_iterable(tests)), number)]), Counter()


def _read_examples(
    untested: Problem, examples: Sequence[_Example], shown: int, hints: ReadingHints
) -> tuple[Iterator[Problem], Counter[str]]:
    """Return a problem with tests of inputs and outputs, the first `shown` of them visible; see `read_tests`."""
    defined = re.findall(r"^def (\w+)", "".join(hints.programs[:1]), re.MULTILINE)
    calls_in_texts = tuple(filter(None, (_test_of_call(example, defined) for example in examples)))
    if len(calls_in_texts) == len(examples):
        return iter([_with_tests(untested, calls_in_texts, shown)]), Counter()
    kinds = {example.kind for example in examples} - {""}
    functions = {example.function for example in examples if example.kind != "script"} - {""}
    if len(kinds) > 1 or len(functions) > 1:
        raise ValueError(f"all tests must be of one kind and call one function, not {sorted(kinds | functions)}")
    # The kind decides, as in the publishers' graders; a test of a script may name a function all the same.
    function = "" if "script" in kinds else untested.entry_point or "".join(functions)
    if "call" in kinds and not function:
        raise ValueError("field 'tests': they call a function whose name is missing; add --columns entry_point=")
    if function and not all(map(is_name, function.split("()."))):
        raise ValueError(f"entry_point: {function!r} is not the name of a function, such as `add` or `Solution().add`")
    places, left_out = _usable(examples, hints, script=not function)
    if not places:
        listed = ", ".join(f"{count} {reason}" for reason, count in sorted(left_out.items()))
        raise LeftOutError("no_tests", f"no test can be used ({listed})")
    counts = Counter({f"tests_left_out/{reason}": count for reason, count in left_out.items()})
    used = [examples[place] for place in places]
    number = sum(place < shown for place in places)
    if not function:
        script = untested.model_copy(update={"entry_point": ""})
        tests = tuple(_stdin_test(example, hints) for example in used)
        return iter([_with_tests(script, tests, number)]), counts
    # The starter code shows whether the function is a method of a class; without it the first right program does.
    shape = hints.starter_code or "".join(hints.programs[:1])
    in_class = "class Solution" in shape and "." not in function
    call = f"Solution().{function}" if in_class else function
    called = untested.model_copy(update={"entry_point": call, "setup": untested.setup or CONTEST_SETUP})
    calls = [(read_arguments(example.input), example.expected) for example in used]
    in_texts = all(isinstance(example.input, str) for example in used)
    named = any(isinstance(example.input, Mapping) for example in used)
    if not hints.programs and (named or (not in_texts and is_ambiguous(calls))):
        raise LeftOutError(
            "reading_unknown",
            'a result `[1]` may mean 1, a key "1" the number, and an object the names of arguments; a column with '
            "right programs, reference=, decides",
        )
    readings = call_readings(call, calls, in_texts=in_texts)
    return (_with_tests(called, tests, number) for tests in readings), counts


def _test_of_call(example: _Example, defined: Sequence[str]) -> IoTest | None:
    """Return the test of an input that is a call of the right program's function, such as `total(xs=[1, 2])`."""
    if defined and isinstance(example.input, str) and isinstance(example.expected, str):
        with suppress(SyntaxError, ValueError):
            call = ast.parse(example.input.strip(), mode="eval").body
            if isinstance(call, ast.Call) and ast.unparse(call.func) in defined:
                ast.literal_eval(example.expected)
                return IoTest(call=ast.unparse(call), expected=example.expected)
    return None


def _with_tests(problem: Problem, tests: tuple[Test, ...], visible: int) -> Problem:
    # A problem needs a visible test, even if its set shows none.
    number = max(visible, 1)
    return problem.model_copy(update={"tests": tests[:number], "hidden_tests": tests[number:]})


def _are_numbers_in_texts(values: Sequence[Any]) -> bool:
    """Return True for a column of inputs and a column of outputs that are each a list of numbers in a text."""
    return len(values) == 2 and all(
        isinstance(value, str)
        and isinstance(read := _unpacked(value), list)
        and all(isinstance(item, int | float) for item in read)
        for value in values
    )


def _find(values: Sequence[Any]) -> list[str | Test | _Example]:
    """Return the tests in the columns of a row: code, own tests, or examples of an input and its output.

    Raises:
        ValueError: the tests have another shape.
    """
    found = [value for value in map(_unpacked, values) if value]
    # Beside an input, `None` is what a script prints; beside tests, it is a null of pandas.
    if any(map(_holds_tests, found)) or not all(map(_is_plain, values)):
        found = [value for value in found if value not in NULL_WORDS]
    if len(values) == 2 and not any(map(_holds_tests, found)):
        # A column of inputs, and a column of outputs.
        if len(found) == 2 and all(isinstance(value, list) for value in found):
            found = [{"inputs": found[0], "outputs": found[1]}]
        elif all(map(_is_plain, values)) and str(values[1]).strip():
            return [_Example(*values)]
    if all(isinstance(value, str) for value in found):
        return ["\n".join(found)] if found else []
    return [test for value in found for test in _tests_in(value)]


def _unpacked(value: Any) -> Any:
    """Return the tests in a column, which may be JSON or a Python literal in a text."""
    read = read_text_value(value)
    if isinstance(read, list) and len(read) == 1 and isinstance(read[0], str):
        # Dolci's list has one text, which is the JSON of a list of assertions.
        inner = read_text_value(read[0])
        return inner if _has_assertions(inner) else read
    if not isinstance(read, Mapping):
        return read
    # {"test_1": "assert …", "test_2": "assert …"} has a test in each field.
    named = list(read.values())
    return named if _has_assertions(named) else read


def _holds_tests(value: Any) -> bool:
    """Return True for JSON that holds tests; the input of a script may also be JSON."""
    if isinstance(value, list):
        return any(map(_holds_tests, value)) or _has_assertions(value)
    return isinstance(value, Mapping) and bool({"input", "inputs", "call", "kind"} & value.keys())


def _has_assertions(value: Any) -> bool:
    """Return True for a list of Python code with assertions, as opposed to inputs or outputs."""
    texts = value if isinstance(value, list) else []
    return bool(texts) and all(isinstance(text, str) and _ASSERTION.search(text) for text in texts)


def _is_plain(value: Any) -> bool:
    """Return True for a text without code, or a number: the input or output of a script."""
    return isinstance(value, str | int | float) and not isinstance(value, bool) and not _CODE.search(str(value))


def _tests_in(value: Any) -> list[str | Test | _Example]:
    """Return the tests in one column."""
    records = value if isinstance(value, list) else [value]
    if all(isinstance(record, str | None) for record in records):
        return [record for record in records if record and record.strip()]
    if not all(isinstance(record, Mapping) for record in records):
        raise ValueError("the tests are code, inputs and outputs; name another column")
    if all("kind" in record or {"call", "expected"} <= record.keys() for record in records):
        return list(map(_own_test, records))
    names = ("inputs", "outputs") if "inputs" in records[0] else ("input", "output")
    # {"input": "[1]", "output": "[2]"} is one test, and {"inputs": "[1]", "outputs": "[2]"} has lists of them.
    rows = as_rows(records if isinstance(records[0].get("input"), str) else value, *names)
    # An object of two columns states the kind for all of its rows, a record for itself.
    stated = [_kind_and_function(record) for record in records] * (len(rows) // len(records))
    pairs = zip(rows, stated, strict=True)
    return [_Example(entered, expected, *stated_here) for (entered, expected), stated_here in pairs]


def _own_test(record: Mapping[str, Any]) -> Test:
    """Return a test of this project; its kind is `io` if it has only a call and a result."""
    # A column of Parquet has null for each field that other kinds have.
    fields = {"kind": "io"} | {name: value for name, value in record.items() if not is_null(value)}
    if not isinstance(fields.get("expected", ""), str):
        fields["expected"] = as_source(fields["expected"])
    return _OWN_TEST.validate_python(fields)


def _kind_and_function(test: Mapping[str, Any]) -> tuple[str, str]:
    stated = test.get("testtype") or test.get("type") or ("functional" if test.get("fn_name") else "")
    if stated and stated not in _KINDS:
        raise ValueError(f"a test is of type {stated!r}, which is none of {', '.join(_KINDS)}")
    return _KINDS.get(stated, ""), test.get("fn_name") or ""


def _stdin_test(example: _Example, hints: ReadingHints) -> StdinTest:
    """Return the test of a script; a tolerance is allowed if the output has a decimal number."""
    output = as_text(example.expected)
    return StdinTest(
        input=as_text(example.input),
        output=output,
        tolerance=TOLERANCE if _DECIMAL.search(output) and hints.checker is None else None,
        ignore_case=hints.ignore_case,
        checker=hints.checker,
    )


def _usable(examples: Sequence[_Example], hints: ReadingHints, *, script: bool) -> tuple[list[int], Counter[str]]:
    """Return the places of the examples that can be used, and the number of the others by reason.

    The reasons: `null`: the input or the output is null. `several_outputs`: a script may print any of several texts.
    `contradictory`: another test expects something else of the same input; neither is used.
    """
    as_one = as_text if script else as_source
    # A right program decides if the result `[null]` means `[None]`.
    keeps_null = bool(hints.programs) and not script
    left_out: Counter[str] = Counter()
    inputs: dict[int, str] = {}
    outputs: defaultdict[str, set[str]] = defaultdict(set)
    for place, (entered, expected, *_) in enumerate(examples):
        results = expected if isinstance(expected, list) and expected else [expected]
        # An input in lines has an output in lines; a list next to a text holds several right texts.
        if script and isinstance(entered, str) and len(results) > 1:
            left_out["several_outputs"] += 1
        elif entered is None or expected is None or not (keeps_null or any(result is not None for result in results)):
            left_out["null"] += 1
        else:
            inputs[place] = as_one(entered).rstrip()
            printed = " ".join(as_one(expected).split())
            outputs[inputs[place]].add(printed.lower() if hints.ignore_case else printed)
    clear = [place for place, text in inputs.items() if hints.checker or len(outputs[text]) == 1]
    left_out["contradictory"] += len(inputs) - len(clear)
    return clear, +left_out
