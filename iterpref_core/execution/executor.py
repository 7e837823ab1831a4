"""Executor, the supervisor: hands a program to a zygote and rules on what comes back."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

from iterpref_core.execution import isolation
from iterpref_core.execution.engine import Engine
from iterpref_core.execution.interpreters import Environment
from iterpref_core.execution.negative_controls import control_steps
from iterpref_core.execution.pool import WorkerPool
from iterpref_core.execution.programs import Limits, Outcome, Program
from iterpref_core.execution.steps import Step, job, steps_of
from iterpref_core.execution.verdicts import TAMPERED, Answer, deceives, rule
from iterpref_core.execution.zygote_client import WorkerDiedError

logger = logging.getLogger(__name__)

ATTEMPTS = 2
"""Times a program is started if its zygote dies under it."""
HINDERED = ("starved", "slowed", "slowed in a test")
"""Time limits that a program may have hit because the machine was busy."""


class Executor(Engine):
    """Runs untrusted programs against their tests, isolated; a context manager that owns its worker processes.

    >>> from iterpref_core.records import IoTest
    >>> program = Program("def f(x): return x + 2", (IoTest(call="f(1)", expected="2"),))
    >>> with Executor(Limits(), workers=1) as executor:
    ...     outcome = executor.run_one(program)
    >>> outcome.verdict, outcome.feedback
    ('wrong_answer', 'f(1) returned 3, expected 2')

    Args:
        limits: for each program.
        workers: zygotes, and so programs at a time; one per CPU core is right.
        allow_unsafe: accept isolation weaker than tier B, with a warning.
        preload: modules to import once per zygote, such as `numpy`.
        namespaces: use bubblewrap where it works; False asks for tier B.
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
        environments: Mapping[str, Environment] | None = None,
    ) -> None:
        if workers < 1:
            raise ValueError(f"workers is {workers}; it must be at least 1")
        plan = isolation.choose(allow_unsafe=allow_unsafe, namespaces=namespaces)
        self.isolation, self.limits, self.places = str(plan), limits, workers
        self._pool = WorkerPool(plan, limits, workers, preload, environments or {})

    def close(self) -> None:
        """End all workers and remove what they left."""
        self._pool.close()

    def worker_pids(self) -> list[int]:
        """Process ids of the workers that are alive (of bubblewrap in tier A)."""
        return self._pool.pids()

    def run_one(self, program: Program) -> Outcome:
        """See `Engine.run_one`: what its tests say, and whether it passes tests that nobody can pass."""
        steps = steps_of(program)
        outcome, answer = self._run(program, steps)
        if outcome.verdict == "passed" and (controls := control_steps(steps)):
            control, answer = self._run(program, controls, control=True)
            outcome = replace(outcome, cpu_s=outcome.cpu_s + control.cpu_s, wall_s=outcome.wall_s + control.wall_s)
            if answer is not None and deceives(answer):
                return replace(outcome, verdict="tampered", feedback=TAMPERED, tests_passed=0, coverage=None)
        return outcome

    def _run(self, program: Program, steps: Sequence[Step], *, control: bool = False) -> tuple[Outcome, Answer | None]:
        """Run one job, and once more with nothing beside it if it hit a time limit on a busy machine."""
        limits, places = program.limits(self.limits), 1
        answer = self._observe(program, job(program, steps, control=control), places)
        if answer is not None and answer.killed in HINDERED:
            places = self.places
            answer = self._observe(program, job(program, steps, control=control), places)
        if answer is None:
            text = f"the execution engine failed {ATTEMPTS} times on this program"
            outcome = Outcome("infra_error", text, tests_passed=0, tests_total=len(program.tests))
        else:
            outcome = rule(program, steps, limits, answer)
        return replace(outcome, isolation=self.isolation, retried=places > 1), answer

    def _observe(self, program: Program, message: bytes, places: int) -> Answer | None:
        """What a zygote has to say about a job; None if as many as there are attempts died under it."""
        for _ in range(ATTEMPTS):
            with self._pool.worker(program.environment, places) as worker:
                try:
                    return worker.run(message, program.limits(self.limits), program.test_cpu_s)
                except WorkerDiedError as error:
                    logger.warning("worker %d was lost under a program: %s", worker.pid, error)
        return None
