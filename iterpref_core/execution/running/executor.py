"""Run programs as the supervisor, which hands each one to a zygote and rules on the answer."""

import functools
import logging
import os
import resource
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from iterpref_core.records import InputError, IoTest, StdinTest

from ..isolation import tiers
from ..isolation.interpreters import Environment
from ..parsing.idle_program import IDLE_S, IDLE_WALL_S, JUDGES_ERRORS, do_nothing
from ..protocol.jobs import Job
from ..protocol.programs import UNFIT, Limits, Outcome, Program
from ..protocol.steps import SandboxStep, packed
from ..ruling.stdin import run_each_test
from ..ruling.steps import Step, TestPlan, plan_of
from ..ruling.verdicts import Trial
from .engine import Engine
from .workers import WorkerDiedError, WorkerPool

logger = logging.getLogger(__name__)

ATTEMPTS = 2
"""Times a program is started if its zygote dies under it."""
FINDS_NOTHING = (
    "the tests pass a program that does nothing: they reach no assertion about the program, such as "
    "`assert f(1) == 2`. Are they of kind pytest or unittest?"
)


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
        InputError: this process may not write files as large as a program may.
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
        _check_file_size(limits)
        plan = tiers.choose(allow_unsafe=allow_unsafe, namespaces=namespaces)
        self.isolation = str(plan)
        self.limits = limits
        self.slots = workers
        self._known: dict[tuple[str, ...], bool] = {}
        self._fault_of = functools.cache(self._setup_fault)
        self.pool = WorkerPool(plan, limits, workers, preload, environments or {})

    def close(self) -> None:
        """End all workers and remove their folders."""
        self.pool.close()

    def run_one(self, program: Program) -> Outcome:
        """See `Engine.run_one`."""
        try:
            if isinstance(program.tests[0], StdinTest):
                outcome = run_each_test(program, program.limits(self.limits), self._observe, self.call)
            else:
                outcome = self._run_called(program)
            if outcome.verdict not in ("passed", "infra_error"):
                if fault := self._fault_of(program.setup, program.environment):
                    outcome = _failure(program, f"the set-up of the tests fails without a program: {fault}")
        except WorkerDiedError as error:
            outcome = _failure(program, str(error))
        return replace(outcome, isolation=self.isolation)

    def _setup_fault(self, setup: str, environment: str | None) -> str:
        """Return what an empty program is told with the set-up of a program that has failed; empty if it passes."""
        empty = Program("", (IoTest(call="1", expected="1"),), setup, environment=environment)
        return self._observe(empty, plan_of(empty).steps).rule().feedback if setup else ""

    def _run_called(self, program: Program) -> Outcome:
        """Return the outcome of tests that call the program."""
        plan = plan_of(program)
        if plan.problem:
            return _failure(program, plan.problem)
        if missing := self.pool.missing(plan.packages, program.environment):
            return _failure(program, f"the test needs package {missing}, which is not installed")
        outcome = self._observe(program, plan.steps).rule()
        if outcome.verdict == "passed" and not self._find_faults(program, plan):
            return _failure(program, FINDS_NOTHING, UNFIT)
        return replace(outcome, inside=plan.inside)

    def _find_faults(self, program: Program, plan: TestPlan) -> bool:
        """Return whether the tests of a program that has passed fail programs that do nothing.

        A test outside always does, and another environment has tests of a project or a benchmark, as they are there.
        """
        if plan.inside < len(program.tests) or program.environment is not None:
            return True
        sources = [step.source for step in plan.steps]
        question = (program.setup, *sources)
        if question not in self._known:
            tests: Any = program.tests
            limited = replace(program, cpu_s=IDLE_S, wall_s=IDLE_WALL_S)
            idle = (replace(limited, code=do_nothing(tests, truth)) for truth in (False, True))
            self._known[question] = any(map(JUDGES_ERRORS.search, sources)) or any(
                self._observe(each, plan.steps).rule().verdict != "passed" for each in idle
            )
        return self._known[question]

    def _observe(self, program: Program, steps: Sequence[Step], **console: Any) -> Trial:
        """Run a program on a zygote and return what is seen of it.

        Args:
            program: the program.
            steps: of its tests.
            console: `stdin` and `keep` of a script's job; see `Job`.

        Raises:
            WorkerDiedError: a zygote died in every attempt.
        """
        limits = program.limits(self.limits)
        key = os.urandom(8).hex()
        sent = [] if console else [step.sent for step in steps]
        job = Job(*packed(program.setup, program.code, sent, key), **console)
        for _ in range(ATTEMPTS):
            try:
                with self.pool.worker(program.environment, _runners(sent)) as worker:
                    return Trial(program, steps, limits, worker.run(job, limits, program.test_cpu_s), key)
            except WorkerDiedError as error:
                if not self.pool.closed:
                    logger.warning("a worker was lost while it ran a program: %s", error)
        raise WorkerDiedError(f"the execution engine failed {ATTEMPTS} times on this program")


def _failure(program: Program, text: str, exception: str = "") -> Outcome:
    return Outcome("infra_error", text, 0, len(program.tests), exception)


def _runners(steps: Sequence[SandboxStep]) -> str:
    """Return the runners that tests inside need: a zygote without them forks faster."""
    inside = [step for step in steps if step.is_inside]
    if any(step.runner == "pytest" or "pytest" in step.source for step in inside):
        return "pytest"
    return "unittest" if any(step.runner != "assert" for step in inside) else ""


def _check_file_size(limits: Limits) -> None:
    """Refuse a limit of this process that would become the programs' and decide their verdicts."""
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    if most != resource.RLIM_INFINITY and most < limits.file_mb * 2**20:
        raise InputError(
            f"this process may write files of {most // 1024} KiB (`ulimit -f`), and programs those of {limits.file_mb} "
            "MiB (execution.file_mb in params.yaml); raise the former, or lower the latter"
        )
