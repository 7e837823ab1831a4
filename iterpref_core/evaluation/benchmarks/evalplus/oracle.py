"""EvalPlus oracle: expected results, computed by canonical solutions in the sandbox, once per data and machine.

The same runs are the benchmark's runs of its canonical solutions: no solution runs a second time to be judged.

EvalPlus publishes inputs without outputs. Its own harness keeps the values that the solutions return as a pickle of
2.4 GB. Here values leave the sandbox as canonical text, and those of more than a megabyte as digests: both can be
compared.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from iterpref_core.evaluation.benchmarks.benchmark import ProgramRun
from iterpref_core.evaluation.benchmarks.evalplus.tasks import (
    Dataset,
    EvalPlusTask,
    TestSet,
    comparator_of,
    result_function,
)
from iterpref_core.evaluation.benchmarks.program_runs import CanonicalRun, keep_runs
from iterpref_core.execution import Comparator, Executor, Limits, Outcome, Program, ValueTest
from iterpref_core.execution.codec.canonical import Digest, decode, encode
from iterpref_core.records.config import ExecutionParams
from iterpref_core.storage.progress import show_progress

_LIMITS = Limits(cpu_s=240, wall_s=960, memory_mb=4096, output_kb=16 * 1024, file_mb=64)
"""Limits of a canonical solution with all inputs of a test set: the slowest takes seconds."""


class Oracle:
    """The expected results of tasks' tests.

    The seconds of the canonical solutions decide the time limits, so another machine computes its own.

    Args:
        dataset: the data set.
        sha256: the digest of its file.
        cache: folder where the results are kept.
        execution: workers, and whether weak isolation is accepted.
    """

    def __init__(
        self,
        dataset: Dataset,
        sha256: str,
        cache: Path,
        execution: ExecutionParams,
    ) -> None:
        self._dataset = dataset
        self._sha256 = sha256
        self._cache = cache
        self._execution = execution
        self._found: dict[str, CanonicalRun] = {}
        self._tasks: dict[str, EvalPlusTask] = {}
        self.program = lru_cache(maxsize=8)(self._program)

    def prepare(self, tasks: Sequence[EvalPlusTask], test_sets: Sequence[TestSet]) -> None:
        """Load the expected results of tasks' test sets, or compute them; see `keep_runs`."""
        self._tasks = {task.task_id: task for task in tasks}
        wanted = [(task, test_set) for task in tasks for test_set in test_sets if task.has(test_set)]
        decisive = [self._sha256, *(_name(task.task_id, test_set) for task, test_set in wanted)]
        self._found = keep_runs(self._cache, self._dataset, decisive, lambda: self._compute(wanted))

    def run(self, task_id: str, test_set: TestSet) -> ProgramRun:
        """Return the outcome of a task's canonical solution with a test set."""
        return self._found[_name(task_id, test_set)].run

    def knows(self, task: EvalPlusTask, test_set: TestSet) -> bool:
        """Return True if the expected results of a task's test set are known."""
        return self._found[_name(task.task_id, test_set)].values is not None

    def _program(self, task_id: str, test_set: TestSet) -> Program:
        """Return the canonical solution with the tests of a set; `replace` puts another program in its place."""
        task = self._tasks[task_id]
        comparator = self._comparator(task, test_set, self._found[_name(task_id, test_set)].values or [])
        return Program(task.canonical_program, self._calls(task, test_set), comparator=comparator)

    def _comparator(self, task: EvalPlusTask, test_set: TestSet, texts: Sequence[str]) -> Comparator:
        """Return the comparator of a test set's results, given the expected ones as canonical text or digests."""
        return comparator_of(
            self._dataset,
            task.entry_point,
            inputs=task.inputs(test_set),
            expected=[decode(text) for text in texts],
            atol=task.atol,
        )

    def _calls(self, task: EvalPlusTask, test_set: TestSet) -> tuple[ValueTest, ...]:
        then = result_function(self._dataset, task.entry_point)
        return tuple(ValueTest(task.entry_point, arguments, then) for arguments in task.inputs(test_set))

    def _compute(self, wanted: Sequence[tuple[EvalPlusTask, TestSet]]) -> Iterator[CanonicalRun]:
        """Run the canonical solutions; yield their outcomes, and the values that those which pass return."""

        def run(item: tuple[EvalPlusTask, TestSet]) -> tuple[list[Any], Outcome]:
            task, test_set = item
            return executor.call(Program(task.canonical_program, self._calls(task, test_set)))

        with (
            Executor(
                _LIMITS,
                workers=self._execution.workers,
                allow_unsafe=self._execution.allow_unsafe,
                preload=("numpy",),
            ) as executor,
            show_progress(f"{self._dataset}: expected results", len(wanted)) as advance,
        ):
            for (task, test_set), (values, outcome) in executor.each(wanted, run):
                advance(1)
                name = _name(task.task_id, test_set)
                canonical = ProgramRun(outcome.verdict, outcome.feedback, outcome.exception, outcome.cpu_s)
                if canonical.verdict != "passed":
                    yield CanonicalRun(name, canonical)
                    continue
                texts = [_as_text(value) for value in values]
                comparator = self._comparator(task, test_set, texts)
                # A value such as NaN equals nothing, and no program could pass.
                if not all(comparator(index, value) for index, value in enumerate(values)):
                    unequal = canonical._replace(verdict="wrong_answer", feedback="a result is not equal to itself")
                    yield CanonicalRun(name, unequal)
                    continue
                yield CanonicalRun(name, canonical, texts)


def _name(task_id: str, test_set: TestSet) -> str:
    return f"{task_id} {test_set}"


def _as_text(value: Any) -> str:
    """Return a value that a solution returned as canonical text; a digest, of a large value, is text already."""
    if isinstance(value, Digest):
        return value
    return encode(value, lenient=True)
