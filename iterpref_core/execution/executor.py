"""Executor, the supervisor: hands programs to zygotes and rules on what comes back, in the order of the input."""

import logging
import math
import secrets
import selectors
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from iterpref_core.errors import ExecutionError
from iterpref_core.execution import isolation
from iterpref_core.execution.engine import Engine
from iterpref_core.execution.interpreters import Environment
from iterpref_core.execution.negative_controls import control_steps
from iterpref_core.execution.pool import WorkerPool
from iterpref_core.execution.programs import Limits, Outcome, Program
from iterpref_core.execution.steps import Step, job, steps_of
from iterpref_core.execution.verdicts import TAMPERED, Answer, Ruling, deceives, rule
from iterpref_core.execution.zygote_client import WorkerDiedError, ZygoteClient

logger = logging.getLogger(__name__)

LOOK_AHEAD = 8
"""Programs per worker that may be taken from the input beyond the one whose outcome is due."""
ATTEMPTS = 2
"""Times a program is started if its zygote dies under it."""
CROSS_CHECK_EVERY = 100
"""One in so many programs is run again in a fresh interpreter."""
HINDERED = ("starved", "slowed", "slowed in a test")
"""Time limits that a program may have hit because the machine was busy."""
UNDECIDED = Ruling("infra_error", "not run yet", 0)


Stage = Literal["main", "control", "check"]
"""A program runs with its tests, then (if it passed tests made inside) with the negative controls, and now and then
once more in a fresh interpreter."""


@dataclass
class _Assignment:
    """A program on its way: where it stands in the input, its stage and what is known so far.

    `alone` is set once it has timed out on a busy machine: it is run again with nothing beside it.
    """

    position: int
    program: Program
    steps: tuple[Step, ...]
    stage: Stage = "main"
    ruling: Ruling = UNDECIDED
    key: bytes = b""
    attempts: int = 0
    alone: bool = False
    cpu_s: float = 0.0
    wall_s: float = 0.0

    def job(self) -> bytes:
        """What the sandbox is told, under a new key."""
        self.attempts += 1
        self.key = secrets.token_bytes(16)
        control = self.stage == "control"
        steps = control_steps(self.steps) if control else self.steps
        return job(self.program, steps, self.key, control=control)

    def move_to(self, stage: Stage, ruling: Ruling) -> None:
        """Enter another stage, with the ruling so far."""
        self.stage, self.ruling, self.attempts = stage, ruling, 0


class Executor(Engine):
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
        cross_check_every: one in so many programs is run again in a fresh interpreter, whose verdict counts; 0: none.
        environments: other interpreters, by the names that tests give them.

    Raises:
        IsolationError: untrusted programs cannot be isolated on this machine.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        workers: int,
        allow_unsafe: bool = False,
        preload: tuple[str, ...] = (),
        namespaces: bool = True,
        cross_check_every: int = CROSS_CHECK_EVERY,
        environments: Mapping[str, Environment] | None = None,
    ) -> None:
        if workers < 1:
            raise ValueError(f"workers is {workers}; it must be at least 1")
        plan = isolation.choose(allow_unsafe=allow_unsafe, namespaces=namespaces)
        self.isolation = str(plan)
        self.limits = limits
        self._count, self._cross_check_every = workers, cross_check_every
        self._pool = WorkerPool(plan, limits, preload, environments or {})
        self._closed = False

    @property
    def places(self) -> int:
        """How many runs of one program are worth having under way at once."""
        return self._count

    def close(self) -> None:
        """End all workers and remove what they left."""
        self._closed = True
        self._pool.close()

    def worker_pids(self) -> list[int]:
        """Process ids of the workers that are alive (of bubblewrap in tier A)."""
        return self._pool.pids()

    def run(self, programs: Iterable[Program], *, first: int = 0) -> Iterator[Outcome]:
        """Outcomes in the order of the programs, streaming, with a bounded look-ahead.

        `first` is where the programs begin in a longer stream: it decides which of them are run again as a check.
        Several runs may be under way at once, in one thread or in many: each has as many workers as were asked for.

        Raises:
            ExecutionError: the executor is closed, or workers cannot be started (a preloaded module is missing).
            ConfigError: a test needs an environment that is not known or cannot be used.
            ValueError: the expected value of a test is not a literal.
        """
        if self._closed:
            raise ExecutionError("the executor is closed; run programs inside its `with` block")
        run = _Run(
            self._pool,
            limits=self.limits,
            count=self._count,
            isolated=self.isolation,
            every=self._cross_check_every,
        )
        try:
            yield from run.outcomes(programs, first)
        finally:
            run.abandon()


class _Run:
    """The state of one call of `Executor.run`."""

    def __init__(self, pool: WorkerPool, *, limits: Limits, count: int, isolated: str, every: int) -> None:
        self._pool, self._limits, self._count, self._isolated = pool, limits, count, isolated
        self._cross_check_every = every
        self._selector = selectors.DefaultSelector()
        self._busy: dict[ZygoteClient, _Assignment] = {}
        self._ready: dict[int, Outcome] = {}
        self._again: list[_Assignment] = []
        self._alone: list[_Assignment] = []

    def outcomes(self, programs: Iterable[Program], first: int) -> Iterator[Outcome]:
        """See `Executor.run`."""
        source = enumerate(programs, first)
        taken, due, exhausted = first, first, False
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
            elif exhausted:
                return

    def _has_room(self) -> bool:
        """Whether another program may start: not while one is to run alone."""
        alone = bool(self._alone) or any(assignment.alone for assignment in self._busy.values())
        return len(self._busy) < self._count and not alone

    def _start(self, assignment: _Assignment) -> None:
        worker = self._pool.hire(assignment.program.environment, fresh=assignment.stage == "check")
        self._busy[worker] = assignment
        self._selector.register(worker, selectors.EVENT_READ)
        try:
            program = assignment.program
            worker.start(assignment.job(), program.limits(self._limits), program.test_cpu_s or math.inf)
        except WorkerDiedError as error:
            self._lost(worker, str(error))

    def _wait(self) -> None:
        """Until some worker has something to say or is overdue."""
        nearest = min(worker.deadline for worker in self._busy)
        for event, _ in self._selector.select(max(0.0, nearest - time.monotonic())):
            worker = event.fileobj
            assert isinstance(worker, ZygoteClient)
            try:
                answer = worker.collect()
            except WorkerDiedError as error:
                self._lost(worker, str(error))
                continue
            if answer is not None:
                self._finish(worker, answer)
        for worker in [worker for worker in self._busy if worker.deadline < time.monotonic()]:
            self._lost(worker, "the zygote does not answer")

    def _release(self, worker: ZygoteClient) -> _Assignment:
        self._selector.unregister(worker)
        return self._busy.pop(worker)

    def _finish(self, worker: ZygoteClient, answer: Answer) -> None:
        done = self._release(worker)
        if done.stage == "check" or answer.worn:
            self._pool.dismiss(worker)  # where it is a check, it was hired on top of the others
        else:
            self._pool.put_back(worker, done.program.environment)
        if answer.killed in HINDERED and not done.alone:
            done.alone = True
            self._alone.append(done)
            return
        done.cpu_s += answer.cpu
        done.wall_s += answer.wall
        ruling = self._rule(done, worker, answer)
        if done.stage == "main" and ruling.verdict == "passed" and control_steps(done.steps):
            done.move_to("control", ruling)
            self._again.append(done)
        elif done.stage != "check" and self._is_sampled(done.position, ruling):
            done.move_to("check", ruling)
            self._again.append(done)
        else:
            self._record(done, ruling)

    def _rule(self, done: _Assignment, worker: ZygoteClient, answer: Answer) -> Ruling:
        """The ruling after a stage."""
        if done.stage == "control":
            return TAMPERED if deceives(done.key, answer) else done.ruling
        ruling = rule(done.program, done.steps, done.key, done.program.limits(self._limits), answer)
        ruling = replace(ruling, feedback=worker.scrub(ruling.feedback))
        if done.stage == "check" and ruling.verdict != done.ruling.verdict:
            logger.warning(
                "a fresh interpreter gives program %d another verdict: %s instead of %s",
                *(done.position, ruling.verdict, done.ruling.verdict),
            )
        return ruling

    def _is_sampled(self, position: int, ruling: Ruling) -> bool:
        """Whether to run a program again in a fresh interpreter; what is known to be slow or hostile is not."""
        every = self._cross_check_every
        return every > 0 and position % every == every - 1 and ruling.verdict not in ("timeout", "tampered")

    def _lost(self, worker: ZygoteClient, reason: str) -> None:
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
            coverage=ruling.coverage,
        )

    def abandon(self) -> None:
        """End the workers whose answers nobody waits for any more."""
        for worker in self._busy:
            self._pool.dismiss(worker)
        self._busy.clear()
        self._selector.close()
