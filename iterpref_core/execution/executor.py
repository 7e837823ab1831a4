"""Executor, the supervisor: hands a program to a zygote and rules on what comes back."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

from iterpref_core.execution import isolation
from iterpref_core.execution.changed_tests import changed
from iterpref_core.execution.engine import Engine
from iterpref_core.execution.interpreters import Environment
from iterpref_core.execution.programs import Limits, Outcome, Program
from iterpref_core.execution.steps import Step, job, steps_of
from iterpref_core.execution.verdicts import TAMPERED, Answer, is_deceit, rule
from iterpref_core.execution.workers import WorkerDiedError, WorkerPool
from iterpref_core.records import ScriptTest

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
        """See `Engine.run_one`: what its tests say, and whether it passes changed tests, which it must not."""
        needed = sorted({name for test in program.tests if isinstance(test, ScriptTest) for name in test.packages})
        if missing := self._pool.missing(needed, program.environment):
            return self._failure(program, f"the test needs package {missing}, which is not installed")
        steps = steps_of(program)
        answer, retried = self._observe(program, steps)
        if answer is None:
            return self._failure(program, f"the execution engine failed {ATTEMPTS} times on this program")
        outcome = rule(program, steps, program.limits(self.limits), answer)
        outcome = replace(outcome, isolation=self.isolation, retried=retried)
        change = changed(steps, program.code) if outcome.verdict == "passed" else None
        if change is None:
            return outcome
        answer, _ = self._observe(replace(program, measure=False), change.steps)
        if answer is None:
            return outcome
        outcome = replace(outcome, cpu_s=outcome.cpu_s + answer.cpu, wall_s=outcome.wall_s + answer.wall)
        if is_deceit(change, answer):
            return replace(outcome, verdict="tampered", feedback=TAMPERED, tests_passed=0, coverage=None)
        return outcome

    def _failure(self, program: Program, text: str) -> Outcome:
        total = len(program.tests)
        return Outcome("infra_error", text, tests_passed=0, tests_total=total, isolation=self.isolation)

    def _observe(self, program: Program, steps: Sequence[Step]) -> tuple[Answer | None, bool]:
        """What a zygote has to say about a job, and whether that was said when it was run again.

        A job that hit a time limit on a busy machine is run once more with nothing beside it.
        """
        message = job(program, steps)
        answer = self._try(program, message, 1)
        if answer is None or answer.killed not in HINDERED:
            return answer, False
        return self._try(program, message, self.places), True

    def _try(self, program: Program, message: bytes, places: int) -> Answer | None:
        """What a zygote has to say about a job; None if as many as there are attempts died under it."""
        for _ in range(ATTEMPTS):
            with self._pool.worker(program.environment, places) as worker:
                try:
                    return worker.run(message, program.limits(self.limits), program.test_cpu_s)
                except WorkerDiedError as error:
                    logger.warning("worker %d was lost under a program: %s", worker.pid, error)
        return None
