"""The supervisor: hands programs to zygotes and rules on what comes back, in the order of the input."""

import logging
import secrets
import selectors
import shutil
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from iterpref_core.errors import ExecutionError
from iterpref_core.execution import isolation
from iterpref_core.execution.programs import Limits, Outcome, Program
from iterpref_core.execution.steps import Step, job, steps_of
from iterpref_core.execution.verdicts import Answer, Ruling, rule
from iterpref_core.execution.worker import Worker, WorkerDied

logger = logging.getLogger(__name__)

LOOK_AHEAD = 8
"""Programs per worker that may be taken from the input beyond the one whose outcome is due."""
RECYCLE_AFTER = 5000
"""Jobs after which a zygote is replaced by a fresh one."""
ATTEMPTS = 2
"""Times a program is started if its zygote dies under it."""


@dataclass
class _Assignment:
    """A program on its way: where it stands in the input, its steps and the key of its current attempt."""

    position: int
    program: Program
    steps: tuple[Step, ...]
    attempts: int = 0
    key: bytes = b""


class Executor:
    """Runs untrusted programs against their tests, isolated; a context manager that owns its worker processes.

    >>> from iterpref_core.records import IoTest
    >>> program = Program("def f(x): return x + 2", (IoTest(call="f(1)", expected="2"),))
    >>> with Executor(Limits(), workers=1) as executor:
    ...     outcome, = executor.run([program])
    >>> outcome.verdict, outcome.feedback
    ('wrong_answer', 'f(1) returned 3, expected 2')

    Args:
        limits: for each program.
        workers: zygotes, and so programs at a time; one per CPU core is right.
        allow_unsafe: accept isolation weaker than tier B, with a warning.
        preload: modules to import once per zygote, such as `numpy`.
        namespaces: use bubblewrap where it works; False asks for tier B.

    Raises:
        IsolationError: untrusted programs cannot be isolated on this machine.
        ConfigError: a preloaded module is missing.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        workers: int,
        allow_unsafe: bool = False,
        preload: tuple[str, ...] = (),
        namespaces: bool = True,
    ) -> None:
        if workers < 1:
            raise ValueError(f"workers is {workers}; it must be at least 1")
        self._limits, self._count, self._preload = limits, workers, preload
        self._plan = isolation.choose(allow_unsafe=allow_unsafe, namespaces=namespaces)
        self.isolation = str(self._plan)
        self._scratch = tempfile.mkdtemp(prefix="iterpref-execution-")
        self._idle: list[Worker] = []
        self._all: set[Worker] = set()
        self._lock = threading.Lock()
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all workers and remove what they left."""
        self._closed = True
        for worker in list(self._all):
            self._end(worker)
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _hire(self) -> Worker:
        """An idle worker, a new one if need be."""
        while self._idle:
            worker = self._idle.pop()
            if worker.jobs < RECYCLE_AFTER:
                return worker
            self._end(worker)
        worker = Worker(self._plan, self._limits, self._preload, self._scratch)
        self._all.add(worker)
        return worker

    def _end(self, worker: Worker) -> None:
        self._all.discard(worker)
        worker.kill()

    def run(self, programs: Iterable[Program]) -> Iterator[Outcome]:
        """Outcomes in the order of the programs, streaming, with a bounded look-ahead.

        One run at a time; a second one, from whatever thread, waits for the first to end or to be closed.

        Raises:
            ExecutionError: the executor is closed, or workers cannot be started.
            ValueError: the expected value of a test is not a literal.
        """
        if self._closed:
            raise ExecutionError("the executor is closed; run programs inside its `with` block")
        with self._lock:
            run = _Run(self, self._count)
            try:
                yield from run.outcomes(programs)
            finally:
                run.abandon()


class _Run:
    """The state of one call of `Executor.run`."""

    def __init__(self, executor: Executor, count: int) -> None:
        self._executor, self._count = executor, count
        self._selector = selectors.DefaultSelector()
        self._busy: dict[Worker, _Assignment] = {}
        self._ready: dict[int, Outcome] = {}
        self._again: list[_Assignment] = []

    def outcomes(self, programs: Iterable[Program]) -> Iterator[Outcome]:
        """See `Executor.run`."""
        source = enumerate(programs)
        taken, due, exhausted = 0, 0, False
        while True:
            while len(self._busy) < self._count:
                if self._again:
                    self._start(self._again.pop())
                    continue
                if exhausted or taken - due >= LOOK_AHEAD * self._count:
                    break
                entry = next(source, None)
                if entry is None:
                    exhausted = True
                    break
                taken += 1
                self._start(_Assignment(entry[0], entry[1], steps_of(entry[1])))
            if due in self._ready:
                yield self._ready.pop(due)
                due += 1
            elif self._busy:
                self._wait()
            elif not self._again and exhausted:
                return

    def _start(self, assignment: _Assignment) -> None:
        worker = self._executor._hire()
        assignment.attempts += 1
        assignment.key = secrets.token_bytes(16)
        self._busy[worker] = assignment
        self._selector.register(worker, selectors.EVENT_READ)
        try:
            worker.start(job(assignment.program, assignment.steps, assignment.key))
        except WorkerDied as error:
            self._lost(worker, str(error))

    def _wait(self) -> None:
        """Until some worker has something to say or is overdue."""
        now = time.monotonic()
        nearest = min(worker.deadline for worker in self._busy)
        for event, _ in self._selector.select(max(0.0, nearest - now)):
            worker = event.fileobj
            assert isinstance(worker, Worker)
            try:
                answer = worker.collect()
            except WorkerDied as error:
                self._lost(worker, str(error))
                continue
            if answer is not None:
                self._finish(worker, answer)
        for worker in [worker for worker in self._busy if worker.deadline < time.monotonic()]:
            self._lost(worker, "the zygote does not answer")

    def _release(self, worker: Worker) -> _Assignment:
        self._selector.unregister(worker)
        return self._busy.pop(worker)

    def _finish(self, worker: Worker, answer: Answer) -> None:
        done = self._release(worker)
        self._executor._idle.append(worker)
        ruling = rule(done.program, done.steps, done.key, self._executor._limits, answer)
        self._record(done, ruling, worker.scrub(ruling.feedback), answer.cpu, answer.wall)

    def _lost(self, worker: Worker, reason: str) -> None:
        """The worker died under a program, which is started once more on another."""
        lost = self._release(worker)
        logger.warning("worker %d was lost under program %d: %s", worker.pid, lost.position, reason)
        self._executor._end(worker)
        if lost.attempts < ATTEMPTS:
            self._again.append(lost)
            return
        text = f"the execution engine failed {ATTEMPTS} times on this program"
        self._record(lost, Ruling("infra_error", text, 0), text, 0.0, 0.0)

    def _record(self, done: _Assignment, ruling: Ruling, text: str, cpu: float, wall: float) -> None:
        self._ready[done.position] = Outcome(
            verdict=ruling.verdict,
            feedback=text,
            tests_passed=ruling.tests_passed,
            tests_total=len(done.program.tests),
            isolation=self._executor.isolation,
            cpu_s=cpu,
            wall_s=wall,
        )

    def abandon(self) -> None:
        """End the workers whose answers nobody waits for any more."""
        for worker in list(self._busy):
            self._release(worker)
            self._executor._end(worker)
        self._selector.close()
