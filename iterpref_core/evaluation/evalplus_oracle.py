"""EvalPlus oracle: expected results, computed by canonical solutions in the sandbox, once per data and machine.

EvalPlus publishes inputs without outputs. Its own harness keeps what the solutions return as a pickle of 2.4 GB; here
values leave the sandbox as canonical text, those of more than a megabyte as digests, which is all that comparing needs.
"""

import gzip
import hashlib
import json
import logging
import platform
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock

from iterpref_core.config import ExecutionParams
from iterpref_core.evaluation.evalplus_data import EvalPlusData, EvalPlusTask
from iterpref_core.evaluation.program_runs import JUDGED_BY
from iterpref_core.execution import Executor, Limits, Program, ValueTest
from iterpref_core.execution.evalplus_tasks import program_of_task, result_function
from iterpref_core.execution.sandbox.encoding import Digest, decode, encode
from iterpref_core.progress import show_progress
from iterpref_core.storage.code_digest import code_digest

logger = logging.getLogger(__name__)

Suite = Literal["base", "plus"]
SUITES: tuple[Suite, Suite] = ("base", "plus")

_LIMITS = Limits(cpu_s=240, wall_s=960, memory_mb=4096, output_kb=16 * 1024, file_mb=64)
"""Of a canonical solution with all inputs of a suite: the slowest takes seconds."""


@dataclass(frozen=True)
class ExpectedOutputs:
    """What a suite of a task must return.

    Attributes:
        texts: of each input, the canonical text or digest of what the canonical solution returned.
        cpu_s: CPU seconds that it took for all of them.
    """

    texts: tuple[str, ...]
    cpu_s: float


class Oracle:
    """Expected results of one data set.

    Args:
        data: the data set.
        expected: by task and suite; a suite whose canonical solution failed is absent, and so is one without inputs.
    """

    def __init__(self, data: EvalPlusData, expected: dict[tuple[str, Suite], ExpectedOutputs]) -> None:
        self._dataset, self._expected = data.name, expected
        self._program = lru_cache(maxsize=8)(self._build)
        self._task_of = {task.task_id: task for task in data.tasks}

    def has(self, task_id: str) -> bool:
        """Whether all suites of a task can be judged."""
        return all((task_id, suite) in self._expected for suite in SUITES if self.covers(task_id, suite))

    def covers(self, task_id: str, suite: Suite) -> bool:
        """Whether a task has tests of a suite."""
        return bool(self._task_of[task_id].inputs(suite))

    def cpu_s(self, task_id: str, suite: Suite) -> float:
        """CPU seconds that the canonical solution took."""
        return self._expected[task_id, suite].cpu_s

    def program(self, task_id: str, suite: Suite) -> Program:
        """The canonical solution with the tests of a suite; put another program in its place by `replace`."""
        return self._program(task_id, suite)

    def _build(self, task_id: str, suite: Suite) -> Program:
        task = self._task_of[task_id]
        return program_of_task(
            self._dataset,
            task.entry_point,
            task.canonical_program,
            inputs=inputs_of(task, suite),
            expected=[decode(text) for text in self._expected[task_id, suite].texts],
            atol=task.atol,
        )


def inputs_of(task: EvalPlusTask, suite: Suite) -> list[Any]:
    """Arguments of each test. JSON has no tuples, sets and complex numbers: EvalPlus knows where MBPP means them."""
    inputs = task.inputs(suite)
    if not inputs or not task.task_id.startswith("Mbpp/"):
        return inputs
    from evalplus.data.mbpp import mbpp_deserialize_inputs

    return list(mbpp_deserialize_inputs(task.task_id, inputs))


def prepare_oracle(data: EvalPlusData, cache: Path, execution: ExecutionParams) -> Oracle:
    """The expected results, from the cache or else computed; evaluations that run at once compute them only once.

    How long the canonical solutions take decides the time limits, so another machine computes its own.
    """
    machine = [code_digest(*JUDGED_BY), data.sha256, platform.node(), platform.machine()]
    key = hashlib.sha256(json.dumps(machine).encode()).hexdigest()[:32]
    path = cache / f"expected-{data.name}-{key}.jsonl.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        found = _read(path)
        wanted = [(task, suite) for task in data.tasks for suite in SUITES if task.inputs(suite)]
        # What failed is tried again every time: it may have been the machine's doing.
        missing = [(task, suite) for task, suite in wanted if (task.task_id, suite) not in found]
        if missing:
            found |= {(task_id, suite): expected for task_id, suite, expected in _compute(data, missing, execution)}
            _write(path, found)
    return Oracle(data, found)


def _write(path: Path, found: dict[tuple[str, Suite], ExpectedOutputs]) -> None:
    temporary = path.with_suffix(".tmp")
    with gzip.open(temporary, "wt", encoding="utf-8", compresslevel=1) as file:
        for (task_id, suite), expected in found.items():
            file.write(json.dumps([task_id, suite, expected.texts, expected.cpu_s]) + "\n")
    temporary.replace(path)


def _read(path: Path) -> dict[tuple[str, Suite], ExpectedOutputs]:
    """What was computed before, unless it is damaged."""
    if not path.is_file():
        return {}
    found: dict[tuple[str, Suite], ExpectedOutputs] = {}
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            for line in file:
                task_id, suite, texts, cpu_s = json.loads(line)
                found[task_id, suite] = ExpectedOutputs(tuple(texts), cpu_s)
    except (OSError, EOFError, zlib.error, ValueError) as error:
        logger.warning("%s: damaged (%s); what tests expect is computed anew", path, error)
        return {}
    return found


def _compute(
    data: EvalPlusData, wanted: Sequence[tuple[EvalPlusTask, Suite]], execution: ExecutionParams
) -> Iterator[tuple[str, Suite, ExpectedOutputs]]:
    """Run the canonical solutions; those that fail are left out."""
    returned: dict[int, list[str]] = {}

    def programs() -> Iterator[Program]:
        for number, (task, suite) in enumerate(wanted):
            texts = returned[number] = []

            def keep(_test: int, value: Any, texts: list[str] = texts) -> bool:
                texts.append(value if isinstance(value, Digest) else encode(value, lenient=True))
                return True

            then = result_function(data.name, task.entry_point)
            tests = tuple(ValueTest(task.entry_point, arguments, then) for arguments in inputs_of(task, suite))
            yield Program(task.canonical_program, tests, judge=keep)

    # On this machine whatever the engine: a judge keeps what it sees.
    with (
        Executor(
            _LIMITS,
            workers=execution.workers,
            allow_unsafe=execution.allow_unsafe,
            preload=("numpy",),
            cross_check_every=0,
        ) as executor,
        show_progress(f"{data.name}: expected results", len(wanted)) as advance,
    ):
        for number, outcome in enumerate(executor.run(programs())):
            texts = returned.pop(number)
            task, suite = wanted[number]
            if outcome.verdict == "passed":
                yield task.task_id, suite, ExpectedOutputs(tuple(texts), outcome.cpu_s)
            advance(1)
