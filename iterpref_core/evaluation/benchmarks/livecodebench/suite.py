"""LiveCodeBench (code generation, lite): contest problems by date, scored with its own semantics in our sandbox.

Each test is a process of its own, with the time limit that the benchmark gives a test. docs/livecodebench.md lists the
differences from the benchmark's own runner.
"""

import json
from collections.abc import Iterator, Sequence
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from pathlib import Path
from typing import Any

from iterpref_core.execution import (
    ENGINE,
    Comparator,
    Program,
    ValueTest,
    shown_call,
    shown_input,
)
from iterpref_core.records import BenchmarkName, ExecutionParams, LiveCodeBenchParams, RecordError

from ..benchmark import Benchmark, BenchmarkPrompt, EvaluationSetting, PromptMode
from .data import LiveTask, find_live_data, read_tests
from .prompts import STOP, family_of, make_prompt, program_by_family

LIMITS = {"cpu_s": 6.0, "wall_s": 30.0, "memory_mb": 4096, "output_kb": 8192, "file_mb": 64}
"""Limits of each test. The benchmark has 6 seconds of real time; CPU time depends less on the machine's load."""
_RUNNER = Path(__file__).with_name("runner.py").read_text(encoding="utf-8")
"""The source of the benchmark's own runner, for the sandbox."""
PAPER_COMMIT = "15808c76fbd459a73ce6b60d111e56860ab45f6d"
"""The benchmark's commit of January 2025, whose rules judge the releases up to v5, the paper's."""
LATER_COMMIT = "28fef95ea8c9f7a547c8329f2cd3d32b92c1fa24"
"""The commit for release v6: since May 2025 programs find `sys.stdin.buffer`."""


def open_suite(name: BenchmarkName, setting: EvaluationSetting) -> "LiveCodeBench":
    """Open the release and window that the parameters name."""
    return LiveCodeBench(name, setting.params.evaluation.livecodebench, setting.params.execution)


class LiveCodeBench(Benchmark[LiveTask]):
    """The problems of a release and window. LiveCodeBench publishes no solutions.

    Raises:
        DataUnavailableError: the data cannot be had here.
        RecordError: the data are broken.
    """

    protocol = "lcb_runner"
    preload = ("numpy",)

    def __init__(self, name: BenchmarkName, params: LiveCodeBenchParams, execution: ExecutionParams) -> None:
        data, tasks = find_live_data(params)
        super().__init__(name, data, tasks, execution.model_copy(update=LIMITS))
        self._commit = LATER_COMMIT if params.release == "release_v6" else PAPER_COMMIT
        self.harness = f"{ENGINE}+livecodebench@{self._commit}"
        self.window = params.model_dump(mode="json")
        self._tests_of = lru_cache(maxsize=4)(read_tests)

    def prompt(self, task: LiveTask, mode: PromptMode) -> BenchmarkPrompt:
        """Return the prompt that the benchmark's runner asks a model of this family."""
        return make_prompt(task, mode)

    def program(self, task: LiveTask, answer: str, mode: PromptMode) -> str:
        """Return the text that the runner takes for the program."""
        del task
        return program_by_family(answer, family_of(mode))

    def candidate(
        self,
        task: LiveTask,
        code: str,
        reference_s: float | None,
    ) -> Iterator[Program]:
        """Yield the program with each of its task's tests.

        Raises:
            RecordError: a test is broken.
        """
        del reference_s
        tests, function = self._tests_of(task)
        for number, test in enumerate(tests, 1):
            if not function:
                yield reading_program(code, test.input, test.output, self._commit)
                continue
            # A functional test has a JSON value a line, and its output is one value.
            try:
                arguments = _json_lines(test.input)
                [expected] = _json_lines(test.output)
            except ValueError as error:
                raise RecordError(f"{task.where}: test {number}: not JSON ({error}); fetch the file again") from None
            yield calling_program(code, function, arguments, expected)

    def stops(self, mode: PromptMode) -> tuple[str, ...]:
        """Return the runner's stop text for a local model, and none for a server or a model that reasons."""
        return () if family_of(mode) == "OpenAIChat" else (STOP,)

    def mode_name(self, mode: PromptMode) -> str:
        """Return the runner's name for the family of the model."""
        return family_of(mode)

    def difficulty(self, task: LiveTask) -> str:
        """Return the difficulty that the paper's table 10 names."""
        return task.difficulty


def reading_program(code: str, stdin: str, expected: str, commit: str) -> Program:
    """Return a program that reads a text and prints, as the runner of a commit runs it."""
    test = ValueTest("run_on_text", (code, stdin, commit == LATER_COMMIT), shown=shown_input(stdin).removesuffix(","))
    return Program("", (test,), _RUNNER, comparator=right_output(expected))


def calling_program(
    code: str,
    function: str,
    arguments: Sequence[Any],
    expected: Any,
) -> Program:
    """Return a program whose function is called with arguments, as the runner calls it."""
    test = ValueTest("call", (code, function, tuple(arguments)), shown=shown_call(function, arguments))
    return Program("", (test,), _RUNNER, comparator=right_value(expected))


def _json_lines(text: str) -> list[Any]:
    return [json.loads(line) for line in text.split("\n") if line.strip()]


def right_value(expected: Any) -> Comparator:
    """Return a comparator of returned values: by Python's `==`; a tuple counts as the list that JSON has for it."""
    return lambda _, returned: bool((list(returned) if type(returned) is tuple else returned) == expected)


def right_output(expected: str) -> Comparator:
    """Return a comparator of printed texts, by `same_output`."""
    return lambda _, printed: type(printed) is str and same_output(printed, expected)


def same_output(printed: str, expected: str) -> bool:
    r"""Return True if two outputs are the same line by line, without blanks at both ends, or number by number.

    Numbers are compared exactly, as decimals: 0.50 is 0.5, and 0.1 + 0.2 as Python prints it is not 0.3.

    >>> same_output("1 2.50 \n", "1.0 2.5"), same_output("yes", "YES"), same_output("1\n\n2", "1\n2")
    (True, False, False)
    """
    ours = [line.strip() for line in printed.strip().split("\n")]
    theirs = [line.strip() for line in expected.strip().split("\n")]
    return len(ours) == len(theirs) and all(map(_same_line, ours, theirs))


def _same_line(ours: str, theirs: str) -> bool:
    if ours == theirs:
        return True
    try:
        return [Decimal(word) for word in ours.split()] == [Decimal(word) for word in theirs.split()]
    except InvalidOperation:  # a word that is not a number
        return False
