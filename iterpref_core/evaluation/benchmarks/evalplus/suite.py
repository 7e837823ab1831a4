"""HumanEval, HumanEval+, MBPP and MBPP+ as EvalPlus (0.3.1) asks and judges (`evalplus.eval.untrusted_check`).

A program runs with its task's base tests and, for the benchmarks with a plus, with the plus tests after them. The time
limits are EvalPlus's, in CPU time where EvalPlus has real time: so a verdict depends less on the load of the machine.
HumanEval/32 is judged by its oracle; evalplus 0.3.1 has the same one, but forgets to count the tests that pass it, and
so fails every program (corrected after the release: evalplus's pull request 201).

EvalPlus publishes inputs without outputs. Here the canonical solutions compute the expected results in the sandbox,
once per data and machine. Values leave it as canonical text, and values of more than a megabyte as digests: both can be
compared.
"""

from collections.abc import Iterator
from functools import lru_cache
from itertools import chain
from typing import cast

from iterpref_core.execution import (
    ENGINE,
    Comparator,
    Engine,
    Program,
    ValueTest,
    time_limit,
)
from iterpref_core.execution.codec.canonical import Digest, decode, encode
from iterpref_core.records import PUBLISHED, BenchmarkName, ExecutionParams

from ..benchmark import Benchmark, BenchmarkPrompt, EvaluationSetting, ProgramRun, PromptMode, Sanitizer
from ..prefill import INSTRUCTION, STOPS, ask_here, continuation, fenced
from ..published_tasks import read_tasks
from .tasks import Dataset, EvalPlusTask, TestSet, comparator_of, result_function

SYSTEM = "You are a helpful assistant good at coding."
"""The system message of EvalPlus for chat models at an endpoint (`evalplus.gen.util.openai_request`, 0.3.1)."""
RULES = {"min_time_limit_s": 1.0, "gt_time_limit_factor": 4.0, "timeout_per_task_s": 60.0}
"""EvalPlus's defaults: a test may take the larger of 1 s and 4 times the canonical solution's time; all tests of a
set a minute, or the sum of these, and 1 s more. The canonical solution's time is known here for a whole set."""
LIMITS = {
    "cpu_s": 61.0,
    "wall_s": 122.0,
    "memory_mb": 4096,
    "output_kb": 16 * 1024,
    "file_mb": 64,
}
"""Memory is EvalPlus's; it counts no output and no files."""
CANONICAL_S = 240.0
"""CPU seconds of a canonical solution with all of its task's tests: the slowest takes seconds."""


def open_suite(name: BenchmarkName, setting: EvaluationSetting) -> "EvalPlus":
    """Open HumanEval or MBPP, with or without the plus tests."""
    return EvalPlus(name, setting.params.execution)


class EvalPlus(Benchmark[EvalPlusTask]):
    """A benchmark of EvalPlus.

    Raises:
        DataUnavailableError: the data cannot be had here.
    """

    harness = f"evalplus-0.3.1 in {ENGINE}"
    protocol = "evalplus 0.3.1"
    sanitizer = Sanitizer("evalplus.sanitize")
    preload = ("numpy",)

    def __init__(self, name: BenchmarkName, execution: ExecutionParams) -> None:
        self.dataset = cast("Dataset", name.rstrip("+"))
        self.test_sets: tuple[TestSet, ...] = ("base", "plus") if name.endswith("+") else ("base",)
        data, tasks = read_tasks(PUBLISHED[self.dataset], EvalPlusTask)
        super().__init__(name, data, tasks, execution.model_copy(update=LIMITS))
        self.limits = LIMITS | RULES
        self.identity = self.test_sets
        self._comparator = lru_cache(maxsize=8)(self._make_comparator)

    def prompt(self, task: EvalPlusTask, mode: PromptMode) -> BenchmarkPrompt:
        """Return the task's own text, to be continued; for a chat model, EvalPlus's question with an answer begun."""
        text = task.prompt.strip()
        if not mode.instruct:
            return BenchmarkPrompt(text)
        if mode.template is None:
            return BenchmarkPrompt(f"{INSTRUCTION}\n```python\n{text}\n```", SYSTEM)
        return ask_here(mode, fenced(text))

    def program(self, task: EvalPlusTask, answer: str, mode: PromptMode) -> str:
        """Return the text for `sanitize`: the prompt and its continuation, or a chat model's answer alone."""
        if mode.instruct and not mode.prefilled:
            return answer
        continued = continuation(answer, self.stops(mode))
        return continued if mode.instruct else task.prompt.strip() + "\n" + continued

    def candidate(
        self,
        task: EvalPlusTask,
        code: str,
        reference_s: float | None,
    ) -> Iterator[Program]:
        """Yield the program with the base tests, and the plus tests after them."""
        del reference_s  # it is here
        found = self.canonical[task.task_id]
        if found.values is None:
            return
        calls = self._calls(task)
        base_s = RULES["min_time_limit_s"]
        factor = RULES["gt_time_limit_factor"]
        # 20 tests, whose canonical solution takes 0.1 s in all: 1 s for each test, and 20 + 1 s for all of them.
        all_s = time_limit(base_s * len(calls), found.cpu_s, factor)
        yield Program(
            code,
            calls,
            comparator=self._comparator(task.task_id, tuple(found.values)),
            cpu_s=min(RULES["timeout_per_task_s"] * len(self.test_sets), all_s) + len(self.test_sets),
            test_cpu_s=time_limit(base_s, found.cpu_s, factor),
        )

    def _calls(self, task: EvalPlusTask) -> tuple[ValueTest, ...]:
        then = result_function(self.dataset, task.entry_point)
        inputs = chain.from_iterable(map(task.inputs, self.test_sets))
        return tuple(ValueTest(task.entry_point, arguments, then) for arguments in inputs)

    def _make_comparator(self, task_id: str, texts: tuple[str, ...]) -> Comparator:
        """Return the comparator of a task's results, given the expected ones as canonical text or digests."""
        task = self.tasks[task_id]
        return comparator_of(
            self.dataset,
            task.entry_point,
            inputs=list(map(task.inputs, self.test_sets)),
            expected=[decode(text) for text in texts],
            atol=task.atol,
        )

    def canonical_solution(self, task: EvalPlusTask) -> str:
        """Return the canonical solution."""
        return task.canonical_program

    def run_canonical(self, task: EvalPlusTask, executor: Engine) -> ProgramRun:
        """Run a canonical solution; return its outcome, and if it passes the values that it returns."""
        values, outcome = executor.call(Program(task.canonical_program, self._calls(task), cpu_s=CANONICAL_S))
        run = ProgramRun(outcome.verdict, outcome.feedback, outcome.exception, outcome.cpu_s)
        if run.verdict != "passed":
            return run
        # A digest, of a large value, is text already.
        texts = [value if isinstance(value, Digest) else encode(value) for value in values]
        is_right = self._comparator(task.task_id, tuple(texts))
        # A value such as NaN does not equal itself, and no program could pass.
        if all(is_right(index, value) for index, value in enumerate(values)):
            return run._replace(values=texts)
        return run._replace(verdict="wrong_answer", feedback="a result is not equal to itself")

    def completion_prefix(self, task: EvalPlusTask) -> str:
        """Return the prompt."""
        return task.prompt

    def stops(self, mode: PromptMode) -> tuple[str, ...]:
        """Return EvalPlus's end strings for a local model's answer; none of them ends reasoning."""
        if mode.reasoning:
            return ()
        if mode.instruct:
            return (*STOPS, "\n```\n")
        from evalplus.provider.utility import extra_eos_for_direct_completion

        return (*STOPS, *extra_eos_for_direct_completion(self.dataset))
