"""Execution as a reward: 1 for a program that passes its tests, 0 for one that does not; for TRL's `GRPOTrainer`.

No torch is needed here. Programs run as everywhere in this project: isolated, and judged from outside.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError

from iterpref_core.errors import InputError
from iterpref_core.execution import Engine, Program
from iterpref_core.inference.answer_extraction import extract_code
from iterpref_core.records import AssertTest, Test
from iterpref_core.storage.jsonl import describe_validation_error

Completion = str | Sequence[Mapping[str, Any]]
"""What a model wrote: a text, or the messages of a conversation."""
Reward = Callable[..., list[float | None]]

_TEST = TypeAdapter[Test](Test)


def execution_reward(executor: Engine) -> Reward:
    """A reward function that runs every completion's program with the tests of its row.

    It reads two columns of the data set. `tests`: of each row a list of assert statements, or of tests as they stand in
    problems' files (`{"kind": "io", "call": "f(1)", "expected": "2"}`). `setup`: source that runs before the program;
    may be absent. `hidden_tests`, where the data set has them, must be passed too. It looks at no other column. A
    program is a completion's longest fenced block, or all of it; it does not continue the prompt.

    The reward is 1.0 for `passed` and 0.0 for every other verdict. It is None, which TRL leaves out, for a row without
    tests and where the engine failed: neither says anything about the program.

    Args:
        executor: runs the programs; open as long as the trainer trains.

    >>> from iterpref_core.execution import Executor, Limits
    >>> with Executor(Limits(), workers=1) as executor:
    ...     reward = execution_reward(executor)
    ...     reward(["Double x."] * 2, ["def f(x): return 2 * x", "exit(0)"], tests=[["assert f(2) == 4"]] * 2)
    [1.0, 0.0]
    """

    def passes_tests(
        prompts: Sequence[Any],  # noqa: ARG001 - TRL gives them by name
        completions: Sequence[Completion],
        **columns: Any,
    ) -> list[float | None]:
        if "tests" not in columns:
            raise InputError(
                f"the data set has no column 'tests' (it has {', '.join(sorted(columns)) or 'no other'}); give every "
                "row a list of tests"
            )
        hidden = columns.get("hidden_tests") or [None] * len(completions)
        setups = columns.get("setup") or [None] * len(completions)
        tests = [
            [*_tests(row, seen or ()), *_tests(row, unseen or ())]
            for row, (seen, unseen) in enumerate(zip(columns["tests"], hidden, strict=True))
        ]
        programs = (
            Program(extract_code(_text(completion)), tuple(own), setup or "")
            for completion, own, setup in zip(completions, tests, setups, strict=True)
            if own
        )
        outcomes = executor.run_each(programs, lambda program: program)
        return [_value(next(outcomes)[1].verdict) if own else None for own in tests]

    return passes_tests


def _value(verdict: str) -> float | None:
    return None if verdict == "infra_error" else float(verdict == "passed")


def _text(completion: Completion) -> str:
    return completion if isinstance(completion, str) else str(completion[-1].get("content") or "")


def _tests(row: int, given: Iterable[Any]) -> Iterator[Test]:
    for number, test in enumerate(given):
        if isinstance(test, str):
            yield AssertTest(code=test)
            continue
        try:
            yield _TEST.validate_python(_without_nones(test))
        except ValidationError as error:
            raise InputError(
                f"column 'tests', row {row} of the batch, test {number}: {describe_validation_error(error)}; give an "
                "assert statement, or a test as in a file of problems"
            ) from None


def _without_nones(value: Any) -> Any:
    """Tests of several kinds in one column have each other's fields, empty, once they come out of Arrow."""
    if isinstance(value, Mapping):
        return {name: _without_nones(inner) for name, inner in value.items() if inner is not None}
    return value
