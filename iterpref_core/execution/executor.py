"""The supervisor: hands programs to zygotes and rules on what comes back, in the order of the input."""

import logging
import secrets
import selectors
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from iterpref_core.errors import ExecutionError
from iterpref_core.execution import isolation
from iterpref_core.execution.controls import control_steps
from iterpref_core.execution.pool import WorkerPool
from iterpref_core.execution.programs import Limits, Outcome, Program
from iterpref_core.execution.steps import Step, job, steps_of
from iterpref_core.execution.verdicts import TAMPERED, Answer, Ruling, deceives, rule
from iterpref_core.execution.worker import Worker, WorkerDiedError

logger = logging.getLogger(__name__)

LOOK_AHEAD = 8
"""Programs per worker that may be taken from the input beyond the one whose outcome is due."""
ATTEMPTS = 2
"""Times a program is started if its zygote dies under it."""


@dataclass
class _Assignment:
    """A program on its way: where it stands in the input, its steps, the key of its current attempt.

    `passed` is set once it has passed its tests and only the negative controls are left; `alone` once it has timed
    out for want of a CPU, and is run again with nothing beside it.
    """

    position: int
    program: Program
    steps: tuple[Step, ...]
    attempts: int = 0
    key: bytes = b""
    passed: Ruling | None = None
    alone: bool = False
    cpu_s: float = 0.0
    wall_s: float = 0.0


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
        plan = isolation.choose(allow_unsafe=allow_unsafe, namespaces=namespaces)
        self.isolation = str(plan)
        self._limits, self._count = limits, workers
        self._pool = WorkerPool(plan, limits, preload)
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
        self._pool.close()

    def worker_pids(self) -> list[int]:
        """Process ids of the workers that are alive (of bubblewrap in tier A)."""
        return self._pool.pids()

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
            run = _Run(self._pool, self._limits, self._count, self.isolation)
            try:
                yield from run.outcomes(programs)
            finally:
                run.abandon()


class _Run:
    """The state of one call of `Executor.run`."""

    def __init__(self, pool: WorkerPool, limits: Limits, count: int, isolated: str) -> None:
        self._pool, self._limits, self._count, self._isolated = pool, limits, count, isolated
        self._selector = selectors.DefaultSelector()
        self._busy: dict[Worker, _Assignment] = {}
        self._ready: dict[int, Outcome] = {}
        self._again: list[_Assignment] = []
        self._alone: list[_Assignment] = []

    def outcomes(self, programs: Iterable[Program]) -> Iterator[Outcome]:
        """See `Executor.run`."""
        source = enumerate(programs)
        taken, due, exhausted = 0, 0, False
        while True:
            while self._has_room():
                if self._again:
                    self._start(self._again.pop())
                    continue
                if exhausted or taken - due >= LOOK_AHEAD * self._count:
                    break
                position, program = next(source, (-1, None))
                if program is None:
                    exhausted = True
                    break
                taken += 1
                self._start(_Assignment(position, program, steps_of(program)))
            if due in self._ready:
                yield self._ready.pop(due)
                due += 1
            elif self._busy:
                self._wait()
            elif self._alone:
                self._start(self._alone.pop())
                self._wait()
            elif exhausted:
                return

    def _has_room(self) -> bool:
        """Whether another program may start: not while one is to run alone."""
        alone = bool(self._alone) or any(assignment.alone for assignment in self._busy.values())
        return len(self._busy) < self._count and not alone

    def _start(self, assignment: _Assignment) -> None:
        worker = self._pool.hire()
        assignment.attempts += 1
        assignment.key = secrets.token_bytes(16)
        self._busy[worker] = assignment
        self._selector.register(worker, selectors.EVENT_READ)
        control = assignment.passed is not None
        try:
            worker.start(job(assignment.program, assignment.steps, assignment.key, control=control))
        except WorkerDiedError as error:
            self._lost(worker, str(error))

    def _wait(self) -> None:
        """Until some worker has something to say or is overdue."""
        nearest = min(worker.deadline for worker in self._busy)
        for event, _ in self._selector.select(max(0.0, nearest - time.monotonic())):
            worker = event.fileobj
            assert isinstance(worker, Worker)
            try:
                answer = worker.collect()
            except WorkerDiedError as error:
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
        self._pool.put_back(worker)
        if answer.killed == "starved" and not done.alone:
            done.alone = True
            self._alone.append(done)
            return
        done.cpu_s += answer.cpu
        done.wall_s += answer.wall
        if done.passed is not None:
            self._record(done, TAMPERED if deceives(done.key, answer) else done.passed)
            return
        ruling = rule(done.program, done.steps, done.key, self._limits, answer)
        controls = control_steps(done.steps) if ruling.verdict == "passed" else ()
        if controls:
            done.passed, done.steps, done.attempts = ruling, controls, 0
            self._again.append(done)
            return
        self._record(done, Ruling(ruling.verdict, worker.scrub(ruling.feedback), ruling.tests_passed))

    def _lost(self, worker: Worker, reason: str) -> None:
        """The worker died under a program, which is started once more on another."""
        lost = self._release(worker)
        logger.warning("worker %d was lost under program %d: %s", worker.pid, lost.position, reason)
        self._pool.dismiss(worker)
        if lost.attempts < ATTEMPTS:
            self._again.append(lost)
            return
        self._record(lost, Ruling("infra_error", f"the execution engine failed {ATTEMPTS} times on this program", 0))

    def _record(self, done: _Assignment, ruling: Ruling) -> None:
        self._ready[done.position] = Outcome(
            verdict=ruling.verdict,
            feedback=ruling.feedback,
            tests_passed=ruling.tests_passed,
            tests_total=len(done.program.tests),
            isolation=self._isolated,
            cpu_s=done.cpu_s,
            wall_s=done.wall_s,
            retried=done.alone,
        )

    def abandon(self) -> None:
        """End the workers whose answers nobody waits for any more."""
        for worker in list(self._busy):
            self._release(worker)
            self._pool.dismiss(worker)
        self._selector.close()
