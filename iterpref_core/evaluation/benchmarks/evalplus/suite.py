"""HumanEval, HumanEval+, MBPP and MBPP+ as EvalPlus (0.3.1) asks and judges (`evalplus.eval.untrusted_check`).

A program runs with its task's base tests and, for the benchmarks with a plus, with the plus tests if it passes these,
each in a process of its own. The time limits are EvalPlus's, in CPU time where EvalPlus has real time: so a verdict
depends less on the load of the machine. HumanEval/32 is judged by its oracle; evalplus 0.3.1 has the same one, but
forgets to count the tests that pass it, and so fails every program (corrected after the release: evalplus's pull
request 201).
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

from iterpref_core.evaluation.benchmarks.benchmark import (
    Benchmark,
    BenchmarkPrompt,
    EvaluationSetting,
    ProgramRun,
    PromptMode,
    Sanitizer,
)
from iterpref_core.evaluation.benchmarks.evalplus.oracle import Oracle
from iterpref_core.evaluation.benchmarks.evalplus.tasks import Dataset, EvalPlusTask, TestSet
from iterpref_core.evaluation.benchmarks.prefill import INSTRUCTION, STOPS, continuation, fenced, prefill_answer
from iterpref_core.evaluation.benchmarks.program_runs import UNJUDGED
from iterpref_core.evaluation.benchmarks.published_tasks import read_tasks
from iterpref_core.execution import ENGINE, Engine, Program, open_executor, time_limit
from iterpref_core.records.benchmark_table import PUBLISHED
from iterpref_core.records.config import Benchmark as BenchmarkName
from iterpref_core.records.config import ExecutionParams

SYSTEM = "You are a helpful assistant good at coding."
"""The system message of EvalPlus for chat models behind an endpoint (`evalplus.gen.util.openai_request`, 0.3.1)."""
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


def open_suite(name: BenchmarkName, setting: EvaluationSetting) -> "EvalPlus":
    """Open HumanEval or MBPP, with or without the plus tests."""
    return EvalPlus(name, setting.cache / "evalplus", setting.params.execution)


class EvalPlus(Benchmark[EvalPlusTask]):
    """One of EvalPlus's four benchmarks.

    Raises:
        DataUnavailableError: the data cannot be had here.
    """

    harness = f"evalplus-0.3.1 in {ENGINE}"
    protocol = "evalplus 0.3.1"
    sanitizer = Sanitizer("evalplus.sanitize")

    def __init__(
        self,
        name: BenchmarkName,
        cache: Path,
        execution: ExecutionParams,
    ) -> None:
        self.dataset = cast("Dataset", name.rstrip("+"))
        self.test_sets: tuple[TestSet, ...] = ("base", "plus") if name.endswith("+") else ("base",)
        data, tasks = read_tasks(PUBLISHED[self.dataset], EvalPlusTask)
        super().__init__(name, data, tasks, execution.model_copy(update=LIMITS))
        self.limits = LIMITS | RULES
        self.identity = self.test_sets
        self._oracle = Oracle(self.dataset, data[1], cache, execution)

    def prompt(self, task: EvalPlusTask, mode: PromptMode) -> BenchmarkPrompt:
        """Return the task's own text, to be continued; for a chat model, EvalPlus's question with an answer begun."""
        text = task.prompt.strip()
        if not mode.instruct:
            return BenchmarkPrompt(text)
        if mode.template is None:
            return BenchmarkPrompt(f"{INSTRUCTION}\n```python\n{text}\n```", SYSTEM)
        if mode.reasoning:
            return mode.ask_to_reason(fenced(text))
        return BenchmarkPrompt(prefill_answer(mode.template, fenced(text)), raw=True)

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
        """Yield the program with the base tests, and then with the plus tests."""
        del reference_s  # the oracle knows the seconds of each test set
        test_sets = [test_set for test_set in self.test_sets if task.has(test_set)]
        if not all(self._oracle.knows(task, test_set) for test_set in test_sets):
            return
        for test_set in test_sets:
            program = self._oracle.program(task.task_id, test_set)
            set_s = self._oracle.run(task.task_id, test_set).cpu_s
            base_s = RULES["min_time_limit_s"]
            factor = RULES["gt_time_limit_factor"]
            # 20 tests, whose canonical solution takes 0.1 s in all: 1 s for each test, and 20 + 1 s for all of them.
            all_s = time_limit(base_s * len(program.tests), set_s, factor)
            yield replace(
                program,
                code=code,
                cpu_s=min(RULES["timeout_per_task_s"], all_s) + 1.0,
                test_cpu_s=time_limit(base_s, set_s, factor),
            )

    def canonical_solution(self, task: EvalPlusTask) -> str:
        """Return the canonical solution."""
        return task.canonical_program

    def canonical_runs(self) -> dict[str, ProgramRun]:
        """Return the outcomes of the runs that have given the expected results."""
        runs = {}
        for task_id, task in self.tasks.items():
            # The first test set on which the solution fails decides.
            run = UNJUDGED
            cpu_s = 0.0
            for test_set in self.test_sets:
                if task.has(test_set):
                    run = self._oracle.run(task_id, test_set)
                    cpu_s += run.cpu_s
                    if run.verdict != "passed":
                        break
            runs[task_id] = run._replace(cpu_s=cpu_s)
        return runs

    def entry_point(self, task: EvalPlusTask) -> str:
        """Return the name of the task's function."""
        return task.entry_point

    def completion_prefix(self, task: EvalPlusTask) -> str:
        """Return the prompt."""
        return task.prompt

    def stops(self, mode: PromptMode) -> tuple[str, ...]:
        """Return the strings at which EvalPlus ends a local model's answer; none stands in the way of reasoning."""
        if mode.reasoning:
            return ()
        if mode.instruct:
            return (*STOPS, "\n```\n")
        from evalplus.provider.utility import extra_eos_for_direct_completion

        return (*STOPS, *extra_eos_for_direct_completion(self.dataset))

    def open_executor(self) -> Engine:
        """Open an engine with numpy, once the expected results are there."""
        self._oracle.prepare(list(self.tasks.values()), self.test_sets)
        return open_executor(self.execution, preload=("numpy",))
