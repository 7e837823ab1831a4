"""LiveCodeBench (code generation, lite): contest problems by date, scored with its own semantics in our sandbox.

Each test is a process of its own, with the time limit that the benchmark gives a test. What differs from the
benchmark's own runner is told in docs/livecodebench.md.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from iterpref_core.config import ExecutionParams, LiveCodeBenchParams
from iterpref_core.errors import RecordError
from iterpref_core.evaluation.benchmark import Benchmark, PromptForm, Question
from iterpref_core.evaluation.livecodebench_data import LiveTask, find_live_data, read_tests
from iterpref_core.evaluation.livecodebench_prompts import STOP, SYSTEM, extract_program, make_prompt, style_of
from iterpref_core.evaluation.livecodebench_tests import PublishedTest, RightOutput, RightValue, parse_arguments
from iterpref_core.execution import ENGINE, Engine, Program, StdinTest, ValueTest, open_executor

LIMITS = {"cpu_s": 6.0, "wall_s": 30.0, "memory_mb": 4096, "output_kb": 8192, "file_mb": 64}
"""Of each test. The 6 seconds are the benchmark's, of real time there; CPU time depends less on the machine's load."""

_STARRED = (
    *("string", "re", "datetime", "collections", "heapq", "bisect", "copy", "math", "random", "statistics"),
    *("itertools", "functools", "operator", "io", "sys", "json"),
)
SETUP = "\n".join(
    [
        *(f"from {module} import *" for module in (*_STARRED, "builtins", "typing")),
        *(f"import {module}" for module in _STARRED),
        "sys.setrecursionlimit(50000)",
        "sys.set_int_max_str_digits(50000)",
        "quit = exit",
    ]
)
"""Names that every program finds, imported in the order of the benchmark's runner: later ones hide earlier ones."""


class LiveCodeBench(Benchmark[LiveTask]):
    """The problems of a release and window. It publishes no solutions.

    Raises:
        DataUnavailableError: the data cannot be had here.
        RecordError: it is broken.
    """

    harness = f"{ENGINE}+livecodebench"

    def __init__(self, window: LiveCodeBenchParams, execution: ExecutionParams) -> None:
        data = find_live_data(window)
        limited = execution.model_copy(update=LIMITS)
        super().__init__("livecodebench", (data.name, data.sha256), data.tasks, limited)
        self._window = window
        self._tests_of = lru_cache(maxsize=4)(read_tests)

    def prompt(self, task: LiveTask, form: PromptForm) -> Question:
        """What the benchmark's runner asks a model of this family."""
        style = style_of(form)
        text = make_prompt(task, style, form.tokenizer)
        return Question(text, SYSTEM) if style == "OpenAIChat" else Question(text, verbatim=True)

    def program(self, task: LiveTask, answer: str, form: PromptForm) -> str:
        """What the runner takes for the program."""
        del task
        return extract_program(answer, style_of(form))

    def candidate(self, task: LiveTask, code: str, reference_s: float | None) -> Iterator[Program]:
        """The program with each of its task's tests.

        Raises:
            RecordError: a test is broken.
        """
        del reference_s
        tests = self._tests_of(task)
        function = tests.function and (f"Solution().{tests.function}" if "class Solution" in code else tests.function)
        for number, test in enumerate(tests.tests, 1):
            try:
                yield _functional(code, test, function) if function else _console(code, test)
            except ValueError as error:
                raise RecordError(f"{task.where}: test {number}: not JSON ({error}); fetch the file again") from None

    def stops(self, form: PromptForm) -> tuple[str, ...]:
        """The runner gives its stop text to models that it has generate, and to no server."""
        return () if style_of(form) == "OpenAIChat" else (STOP,)

    def protocol(self, form: PromptForm) -> dict[str, str]:
        """The runner's, and for which family of models."""
        return {"prompt": "instruct" if form.instruct else "completion", "protocol": f"lcb_runner, {style_of(form)}"}

    def groups(self, task: LiveTask) -> dict[str, str]:
        """As the paper's table 10, and by contest."""
        return {"difficulty": task.difficulty, "platform": task.platform}

    def about(self) -> dict[str, Any]:
        """The window."""
        return {"window": self._window.model_dump(mode="json")}

    def open_executor(self) -> Engine:
        """An engine with numpy."""
        return open_executor(self.execution, preload=("numpy",))


def _console(code: str, test: PublishedTest) -> Program:
    return Program(code, (StdinTest(test.input),), SETUP, judge=RightOutput(test.output))


def _functional(code: str, test: PublishedTest, function: str) -> Program:
    arguments, expected = parse_arguments(test.input), parse_arguments(test.output)
    if len(expected) != 1:
        raise ValueError("its output is not one value")
    return Program(code, (ValueTest(function, arguments),), SETUP, judge=RightValue(expected[0]))
