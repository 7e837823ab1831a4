"""Executor, the supervisor: hands a program to a zygote and rules on what comes back."""

import logging
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import replace

from iterpref_core.execution import isolation
from iterpref_core.execution.changed_tests import changed
from iterpref_core.execution.console_tests import run_on_console, run_parts
from iterpref_core.execution.engine import Engine
from iterpref_core.execution.interpreters import Environment
from iterpref_core.execution.programs import Limits, Outcome, Program
from iterpref_core.execution.rewriting import Step
from iterpref_core.execution.steps import steps_of
from iterpref_core.execution.verdicts import TAMPERED, Answer, is_deceit, rule
from iterpref_core.execution.workers import Console, WorkerDiedError, WorkerPool
from iterpref_core.records import ScriptTest, StdinTest

logger = logging.getLogger(__name__)

ATTEMPTS = 2
"""Times a program is started if its zygote dies under it."""


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

    Attributes:
        pool: its workers.

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
        plan = isolation.choose(allow_unsafe=allow_unsafe, namespaces=namespaces)
        self.isolation, self.limits, self.places = str(plan), limits, workers
        self.pool = WorkerPool(plan, limits, workers, preload, environments or {})

    def close(self) -> None:
        """End all workers and remove what they left."""
        self.pool.close()

    def run_one(self, program: Program) -> Outcome:
        """See `Engine.run_one`."""
        return run_parts(program, self._run_part)

    def _run_part(self, program: Program) -> Outcome:
        """Return the outcome of tests that share a process."""
        (first, *_) = program.tests
        if isinstance(first, StdinTest):
            limits = program.limits(self.limits)
            outcome = run_on_console(program, first, limits, self._observe_job, self.call)
            return replace(outcome, isolation=self.isolation) if outcome else self._failed(program)
        return self._run_called(program)

    def _run_called(self, program: Program) -> Outcome:
        """Return the outcome of tests that call the program; one that passes changed tests is none that passes."""
        needed = sorted({name for test in program.tests if isinstance(test, ScriptTest) for name in test.packages})
        if missing := self.pool.missing(needed, program.environment):
            return self._failure(program, f"the test needs package {missing}, which is not installed")
        steps = steps_of(program)
        answer = self._observe(program, steps)
        if answer is None:
            return self._failed(program)
        outcome = rule(program, steps, program.limits(self.limits), answer)
        outcome = replace(outcome, isolation=self.isolation)
        others, must_fail = changed(steps, program.code) if outcome.verdict == "passed" else ([], {})
        if not must_fail:
            return outcome
        answer = self._observe(program, others)
        if answer is None:
            return outcome
        outcome = replace(outcome, cpu_s=outcome.cpu_s + answer.cpu)
        if is_deceit(must_fail, answer):
            return replace(outcome, verdict="tampered", feedback=TAMPERED, tests_passed=0)
        return outcome

    def _failed(self, program: Program) -> Outcome:
        return self._failure(program, f"the execution engine failed {ATTEMPTS} times on this program")

    def _failure(self, program: Program, text: str) -> Outcome:
        total = len(program.tests)
        return Outcome("infra_error", text, tests_passed=0, tests_total=total, isolation=self.isolation)

    def _observe(self, program: Program, steps: Sequence[Step]) -> Answer | None:
        """Return what a zygote has to say about a program and the steps of its tests."""
        sent = {"setup": program.setup, "code": program.code, "steps": [(step.kind, step.body) for step in steps]}
        return self._observe_job(program, pickle.dumps(sent))  # everything but what is expected

    def _observe_job(self, program: Program, message: bytes, console: Console | None = None) -> Answer | None:
        """Return what a zygote has to say about a job; None if the engine failed.

        A job that hit a time limit on a busy machine is run once more, alone.
        """
        answer = self._try(program, message, console, 1)
        if answer is not None and answer.busy:
            return self._try(program, message, console, self.places)
        return answer

    def _try(self, program: Program, message: bytes, console: Console | None, places: int) -> Answer | None:
        """What a zygote has to say about a job; None if as many as there are attempts died under it."""
        for _ in range(ATTEMPTS):
            with self.pool.worker(program.environment, places) as worker:
                try:
                    return worker.run(message, program.limits(self.limits), program.test_cpu_s, console)
                except WorkerDiedError as error:
                    logger.warning("worker %d was lost while it ran a program: %s", worker.pid, error)
        return None
