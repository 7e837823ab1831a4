"""EvalPlus oracle: expected results, computed by canonical solutions in the sandbox, once per data and machine.

EvalPlus publishes inputs without outputs. Its own harness keeps what the solutions return as a pickle of 2.4 GB; here
values leave the sandbox as canonical text, those of more than a megabyte as digests, which is all that comparing needs.
"""

import gzip
import hashlib
import json
import platform
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from filelock import FileLock

from iterpref_core.config import ExecutionParams
from iterpref_core.evaluation.evalplus_data import DatasetName, EvalPlusTask, Suite
from iterpref_core.evaluation.evalplus_tasks import program_of_task, result_function
from iterpref_core.evaluation.program_runs import JUDGED_BY
from iterpref_core.execution import Executor, Limits, Outcome, Program, ValueTest
from iterpref_core.execution.sandbox.encoding import Digest, decode, encode
from iterpref_core.progress import show_progress
from iterpref_core.storage.code_digest import code_digest

_LIMITS = Limits(cpu_s=240, wall_s=960, memory_mb=4096, output_kb=16 * 1024, file_mb=64)
"""Of a canonical solution with all inputs of a suite: the slowest takes seconds."""

Expected = dict[tuple[str, str], tuple[list[str], float]]
"""By task_id and suite: the canonical text or digest of what each input gives, and CPU seconds for all of them."""


class Oracle:
    """Expected results of one data set.

    How long the canonical solutions take decides the time limits, so another machine computes its own.

    Args:
        dataset: which data set, and the SHA-256 of its file.
        cache: folder where they are kept.
        execution: workers, and whether weak isolation is accepted.
    """

    def __init__(self, dataset: DatasetName, sha256: str, cache: Path, execution: ExecutionParams) -> None:
        machine = [code_digest(*JUDGED_BY), sha256, platform.node(), platform.machine()]
        key = hashlib.sha256(json.dumps(machine).encode()).hexdigest()[:32]
        self._path = cache / f"expected-{dataset}-{key}.jsonl.gz"
        self._dataset, self._execution = dataset, execution
        self._expected: Expected = {}
        self.program = lru_cache(maxsize=8)(self._program)

    def prepare(self, tasks: Sequence[EvalPlusTask], suites: Sequence[Suite]) -> None:
        """Have what suites of tasks must return; evaluations that run at once compute it only once.

        What failed is tried again every time: it may have been the machine's doing.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self._path.with_suffix(".lock")):
            self._expected = _read(self._path)
            wanted = [(task, suite) for task in tasks for suite in suites if not self.knows(task, suite)]
            if wanted:
                self._expected |= dict(self._compute(wanted))
                _write(self._path, self._expected)

    def knows(self, task: EvalPlusTask, suite: Suite) -> bool:
        """Whether it is known what the tests of a suite must return; a suite without tests needs nothing."""
        return not task.has(suite) or (task.task_id, suite) in self._expected

    def cpu_s(self, task: EvalPlusTask, suite: Suite) -> float:
        """CPU seconds that the canonical solution took."""
        return self._expected[task.task_id, suite][1]

    def _program(self, task: EvalPlusTask, suite: Suite) -> Program:
        """The canonical solution with the tests of a suite; put another program in its place by `replace`."""
        return program_of_task(
            self._dataset,
            task.entry_point,
            task.canonical_program,
            inputs=task.inputs(suite),
            expected=[decode(text) for text in self._expected[task.task_id, suite][0]],
            atol=task.atol,
        )

    def _compute(
        self, wanted: Sequence[tuple[EvalPlusTask, Suite]]
    ) -> Iterator[tuple[tuple[str, str], tuple[list[str], float]]]:
        """Run the canonical solutions; those that fail are left out."""

        def run(item: tuple[EvalPlusTask, Suite]) -> tuple[list[Any], Outcome]:
            task, suite = item
            then = result_function(self._dataset, task.entry_point)
            calls = [ValueTest(task.entry_point, arguments, then) for arguments in task.inputs(suite)]
            return executor.call(task.canonical_program, calls)

        with (
            Executor(
                _LIMITS,
                workers=self._execution.workers,
                allow_unsafe=self._execution.allow_unsafe,
                preload=("numpy",),
            ) as executor,
            show_progress(f"{self._dataset}: expected results", len(wanted)) as advance,
        ):
            for (task, suite), (values, outcome) in executor.each(wanted, run):
                if outcome.verdict == "passed":
                    texts = [value if isinstance(value, Digest) else encode(value, lenient=True) for value in values]
                    yield (task.task_id, suite), (texts, outcome.cpu_s)
                advance(1)


def _write(path: Path, expected: Expected) -> None:
    temporary = path.with_suffix(".tmp")
    with gzip.open(temporary, "wt", encoding="utf-8", compresslevel=1) as file:
        file.writelines(json.dumps([*key, *found]) + "\n" for key, found in expected.items())
    temporary.replace(path)


def _read(path: Path) -> Expected:
    if not path.is_file():
        return {}
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return {(task_id, suite): (texts, cpu_s) for task_id, suite, texts, cpu_s in map(json.loads, file)}
