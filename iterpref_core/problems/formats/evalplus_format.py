"""EvalPlus's format (HumanEvalPlus, MbppPlus): inputs without outputs; running the canonical solution gives these.

Each of `base_input` (visible) and `plus_input` (hidden) becomes a call of the entry point; what the canonical solution
returns for it, in the sandbox, is expected. Results are compared as EvalPlus compares them: by `==`; within the task's
`atol`, or 1e-6 from the first float of a task on; for some tasks of MBPP as sets, or by being None at all. Not carried
over are the oracles written for single tasks (`special_oracle`). The `contract` says which inputs are legal: each is
tried against it, and what it refuses is left out.
"""

import ast
import math
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from pydantic import field_validator

from iterpref_core.config import ExecutionParams
from iterpref_core.execution import Executor, Limits, Outcome, Program, ValueTest
from iterpref_core.execution.evalplus_tasks import ALSO_RIGHT, Dataset, result_function, tolerances_of
from iterpref_core.execution.sandbox.encoding import Digest
from iterpref_core.problems.formats.benchmark_membership import benchmark_of
from iterpref_core.problems.formats.json_items import Broken, Entry, JsonItem, parse_item, read_items
from iterpref_core.records import IoTest, Problem, Record
from iterpref_core.source_code.syntax_tree import parse_source

TestReason = Literal["contract_refuses", "too_long"]
"""Why a test is left out: its input is illegal, or it takes more than `MAX_CHARACTERS` to write down."""

MAX_CHARACTERS = 4_000
REFERENCE = Limits(cpu_s=60, wall_s=240, memory_mb=2048, output_kb=1024, file_mb=256)
"""For all inputs of a task together: some canonical solutions are slow, and some results large."""
_BATCH = 16


class EvalPlusEntry(Record):
    """A line of a file in EvalPlus's format."""

    task_id: str
    prompt: str
    entry_point: str
    canonical_solution: str
    contract: str = ""
    base_input: tuple[tuple[Any, ...], ...]
    plus_input: tuple[tuple[Any, ...], ...] = ()
    atol: float = 0.0

    @field_validator("plus_input", mode="before")
    @classmethod
    def _none_is_a_mapping(cls, value: Any) -> Any:
        return value or ()  # MbppPlus 0.2.0 writes "no input" as {}

    @property
    def dataset(self) -> Dataset:
        """Whose comparisons hold."""
        return "mbpp" if self.task_id.startswith("Mbpp/") else "humaneval"

    @property
    def reference(self) -> str:
        """The canonical solution as EvalPlus runs it."""
        return self.prompt + self.canonical_solution


@dataclass
class _Draft:
    """A task on its way to a problem: its inputs as values, and what running the canonical solution showed."""

    item: JsonItem
    task: EvalPlusEntry
    inputs: list[Sequence[Any]]
    base: int
    legal: dict[int, bool]
    results: dict[int, Any]
    broken: Outcome | None = None

    def places(self) -> list[int]:
        """The legal inputs."""
        return [place for place in range(len(self.inputs)) if self.legal.get(place, True)]


def read_evalplus(path: Path, execution: ExecutionParams, *, keep_benchmarks: bool) -> Iterator[Entry]:
    """The problems of a file in EvalPlus's format; streams.

    Args:
        path: the file.
        execution: how many canonical solutions run at once, within limits of their own. They run on this machine
            whatever the engine: their values are wanted, not verdicts.
        keep_benchmarks: take HumanEval+'s and MBPP+'s own tasks too.

    Raises:
        RecordError: a line is broken.
    """
    source = read_items(path)
    with Executor(REFERENCE, workers=execution.workers, allow_unsafe=execution.allow_unsafe) as executor:
        while batch := list(islice(source, _BATCH)):
            drafts = {item.number: _start(item, keep_benchmarks) for item in batch}
            _compute([draft for draft in drafts.values() if isinstance(draft, _Draft)], executor)
            for item in batch:
                draft = drafts[item.number]
                yield _finish(draft) if isinstance(draft, _Draft) else Entry(item.number, item.where, draft)


def _start(item: JsonItem, keep_benchmarks: bool) -> _Draft | str:
    task = parse_item(item, EvalPlusEntry, _checked)
    reason = benchmark_of(task.task_id)
    if reason is not None and not keep_benchmarks:
        return reason
    if task.entry_point == "find_zero" or (task.dataset == "mbpp" and task.entry_point in ALSO_RIGHT):
        return "special_oracle"
    return _Draft(item, task, _inputs(task), len(task.base_input), {}, {})


def _checked(task: EvalPlusEntry) -> EvalPlusEntry:
    try:
        _legality(task)
    except SyntaxError as error:
        raise ValueError(f"fields 'canonical_solution' and 'contract': not valid Python ({error.msg})") from None
    return task


def _inputs(task: EvalPlusEntry) -> list[Sequence[Any]]:
    """The inputs as values: JSON has no tuples, sets and complex numbers; EvalPlus knows where MBPP+ means them."""
    inputs: list[Sequence[Any]] = [list(arguments) for arguments in (*task.base_input, *task.plus_input)]
    if benchmark_of(task.task_id) != "in_mbpp_plus":
        return inputs
    from evalplus.data.mbpp import mbpp_deserialize_inputs

    return list(mbpp_deserialize_inputs(task.task_id, inputs))


def _legality(task: EvalPlusEntry) -> str:
    """A program whose `_is_legal` asks the contract, in the place of the entry point's body, about arguments.

    Raises:
        SyntaxError: the solution or the contract is no Python, or defines no entry point.
    """
    tree = parse_source(task.reference)
    contract = parse_source(textwrap.dedent(task.contract.expandtabs(4).strip("\n")))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == task.entry_point]
    if not functions:
        raise SyntaxError(f"no function {task.entry_point}")
    functions[-1].body = [*contract.body, ast.Return(ast.Constant(True))]
    asked = ast.unparse(ast.fix_missing_locations(tree))
    return f"""{asked}

def _is_legal(*arguments):
    try:
        return {task.entry_point}(*arguments)
    except Exception:
        return False
"""


def _compute(drafts: list[_Draft], executor: Executor) -> None:
    """Fill in which inputs are legal, and what the canonical solution returns for these."""
    contracts = [draft for draft in drafts if draft.task.contract.strip() and draft.inputs]
    asked = (
        _collecting(_legality(draft.task), "_is_legal", draft.inputs, "", draft.legal, range(len(draft.inputs)))
        for draft in contracts
    )
    for draft, outcome in zip(contracts, executor.run(asked), strict=True):
        draft.broken = None if outcome.verdict == "passed" else outcome
    solved = [draft for draft in drafts if draft.broken is None and draft.places()]

    def solutions() -> Iterator[Program]:
        for draft in solved:
            task, places = draft.task, draft.places()
            then = result_function(task.dataset, task.entry_point)
            inputs = [draft.inputs[place] for place in places]
            yield _collecting(task.reference, task.entry_point, inputs, then, draft.results, places)

    for draft, outcome in zip(solved, executor.run(solutions()), strict=True):
        draft.broken = None if outcome.verdict == "passed" else outcome


def _collecting(
    code: str,
    function: str,
    inputs: Sequence[Sequence[Any]],
    then: str,
    results: dict[int, Any],
    places: Sequence[int],
) -> Program:
    """A program that accepts every value and leaves it in `results`, under the place of its input."""

    def judge(index: int, value: Any) -> bool:
        results[places[index]] = value
        return True

    tests = tuple(ValueTest(function, arguments, then) for arguments in inputs)
    return Program(code, tests, judge=judge)


def _finish(draft: _Draft) -> Entry:
    item, task = draft.item, draft.task
    if draft.broken is not None:
        return Entry(item.number, item.where, Broken(task.task_id, draft.broken))
    places = draft.places()
    dropped: Counter[str] = Counter()
    if refused := len(draft.inputs) - len(places):
        dropped["contract_refuses"] = refused
    tolerances = tolerances_of([draft.results[place] for place in places], task.atol)
    tests: dict[bool, list[IoTest]] = {True: [], False: []}
    for place, atol in zip(places, tolerances, strict=True):
        test = _test(task, draft.inputs[place], draft.results[place], atol)
        if isinstance(test, str):
            dropped[test] += 1
        else:
            tests[place < draft.base].append(test)
    problem = Problem(
        task_id=task.task_id,
        prompt=task.prompt,
        entry_point=task.entry_point,
        tests=tuple(tests[True]),
        hidden_tests=tuple(tests[False]),
        reference=task.reference,
        source="evalplus",
    )
    return Entry(item.number, item.where, problem if problem.tests else "no_test_left", dropped)


def _test(task: EvalPlusEntry, arguments: Sequence[Any], expected: Any, atol: float) -> IoTest | TestReason:
    if isinstance(expected, Digest):
        return "too_long"
    try:
        call = f"{task.entry_point}({', '.join(map(write_literal, arguments))})"
        wanted = write_literal(expected)
    except (ValueError, RecursionError):  # an integer of more digits than Python writes, or a nest without end
        return "too_long"
    if len(call) + len(wanted) > MAX_CHARACTERS:
        return "too_long"
    then = result_function(task.dataset, task.entry_point)
    return IoTest(call=f"{then}({call})" if then else call, expected=wanted, atol=atol)


def write_literal(value: Any) -> str:
    """A plain value as an expression that needs no names but builtins.

    >>> write_literal([(1,), {"a": float("inf")}, set()])
    "[(1,), {'a': float('inf')}, set()]"
    """
    match value:
        case float() if not math.isfinite(value):
            return f"float('{value}')"
        case complex() if not (math.isfinite(value.real) and math.isfinite(value.imag)):
            raise ValueError("no expression for it")
        case list():
            return f"[{', '.join(map(write_literal, value))}]"
        case tuple():
            return f"({', '.join(map(write_literal, value))}{',' if len(value) == 1 else ''})"
        case dict():
            return "{" + ", ".join(f"{write_literal(key)}: {write_literal(item)}" for key, item in value.items()) + "}"
        case set() | frozenset() if value:
            items = "{" + ", ".join(sorted(map(write_literal, value))) + "}"
            return items if isinstance(value, set) else f"frozenset({items})"
    return repr(value)
