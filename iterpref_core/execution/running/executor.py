"""Executor, the supervisor: hands a program to a zygote and rules on the answer."""

import logging
import os
import pickle
import resource
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from iterpref_core.execution.isolation import tiers
from iterpref_core.execution.isolation.interpreters import Environment
from iterpref_core.execution.kinds.kind import Step
from iterpref_core.execution.kinds.reports import PASSED_ANYWAY
from iterpref_core.execution.kinds.setups import setup_functions, setup_imports
from iterpref_core.execution.kinds.table import KINDS
from iterpref_core.execution.protocol.jobs import Answer, Job
from iterpref_core.execution.protocol.programs import INSIDE, UNCHECKED, Limits, Outcome, Program
from iterpref_core.execution.ruling.own_processes import run_each_test, take_processes
from iterpref_core.execution.ruling.routing import (
    as_calls,
    counter_programs,
    need_a_judge,
    problem_of,
    runs_inside,
    steps_of,
)
from iterpref_core.execution.ruling.verdicts import rule
from iterpref_core.execution.running.engine import Engine
from iterpref_core.execution.running.workers import WorkerDiedError, WorkerPool
from iterpref_core.records.errors import InputError

logger = logging.getLogger(__name__)

ATTEMPTS = 2
"""Times a program is started if its zygote dies under it."""
_FOR_A_JUDGE = frozenset({"bad_return_type", "tampered"})
"""Verdicts on an assertion that was run as a call, after which a judge runs it: what was returned is no plain value."""
PASSES_ANYTHING = "the program passes a test, and the same test with other expectations, too"


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
        self.pool = WorkerPool(plan, limits, workers, preload, environments or {})

    def close(self) -> None:
        """End all workers and remove their folders."""
        self.pool.close()

    def run_one(self, program: Program) -> Outcome:
        """See `Engine.run_one`."""
        try:
            if take_processes(program):
                outcome = run_each_test(program, program.limits(self.limits), self._observe, self.call)
                return replace(outcome, isolation=self.isolation)
            return self._run_called(program)
        except WorkerDiedError as error:
            return self._failure(program, str(error))

    def _run_called(self, program: Program) -> Outcome:
        """Return the outcome of tests that call the program."""
        needed: set[str] = set()
        for test in program.tests:
            needed.update(KINDS[test.kind].packages(test))
        if missing := self.pool.missing(sorted(needed), program.environment):
            return self._failure(program, f"the test needs package {missing}, which is not installed")
        steps = steps_of(program)
        problem = problem_of(program)
        if problem:
            return self._failure(program, problem)
        judged = need_a_judge(steps)
        if judged and (runs_inside(program, steps) or self.pool.has_processes(program.environment)):
            return self._run_inside(program, steps)
        # `assert f(2) == 4` needs no judge: the program is called, and its value is compared out here.
        calls = as_calls(steps) if judged else None
        if calls:
            outcome = self._ruled(program, calls, judged=False, isolation=self.isolation)
            if outcome.verdict not in _FOR_A_JUDGE:
                return outcome
        return self._ruled(program, steps, judged=judged, isolation=self.isolation)

    def _run_inside(self, program: Program, steps: Sequence[Step]) -> Outcome:
        """Return the outcome of tests in the program's process, and of their counter-tests where they pass."""
        outcome = self._ruled(program, steps, judged=False, isolation=f"{self.isolation} {INSIDE}")
        if outcome.verdict != "passed" or program.comparator is not None:
            return outcome
        checked = False
        for counter in counter_programs(program):
            checked = True
            again = self._ruled(counter, steps_of(counter), judged=False, isolation="")
            if again.verdict == "passed" or again.exception == PASSED_ANYWAY:
                return replace(outcome, verdict="tampered", feedback=PASSES_ANYTHING, tests_passed=0)
        return outcome if checked else replace(outcome, isolation=f"{self.isolation} {UNCHECKED}")

    def _ruled(self, program: Program, steps: Sequence[Step], *, judged: bool, isolation: str) -> Outcome:
        """Run some steps, and return the verdict on them."""
        job = _job_of(program, steps, judged=judged)
        answer = self._observe(program, job)
        outcome = rule(program, steps, program.limits(self.limits), answer, job.key)
        return replace(outcome, isolation=isolation)

    def _failure(self, program: Program, text: str) -> Outcome:
        total = len(program.tests)
        return Outcome("infra_error", text, tests_passed=0, tests_total=total, isolation=self.isolation)

    def _observe(self, program: Program, job: Job) -> Answer:
        """Run a job on a zygote and return its answer.

        Raises:
            WorkerDiedError: a zygote died in every attempt.
        """
        for _ in range(ATTEMPTS):
            try:
                with self.pool.worker(program.environment) as worker:
                    return worker.run(job, program.limits(self.limits), program.test_cpu_s)
            except WorkerDiedError as error:
                if not self.pool.closed:
                    logger.warning("a worker was lost while it ran a program: %s", error)
        raise WorkerDiedError(f"the execution engine failed {ATTEMPTS} times on this program")


def _check_file_size(limits: Limits) -> None:
    """Refuse a limit of this process that would become the programs' and decide their verdicts."""
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    if most != resource.RLIM_INFINITY and most < limits.file_mb * 2**20:
        raise InputError(
            f"this process may write files of {most // 1024} KiB (`ulimit -f`), and programs those of {limits.file_mb} "
            "MiB (execution.file_mb in params.yaml); raise the former, or lower the latter"
        )


def _job_of(program: Program, steps: Sequence[Step], *, judged: bool) -> Job:
    """Return the job of a program: everything but the values that results are compared with.

    Where a judge is beside the program, the tests are the judge's alone.
    """
    sent: dict[str, Any] = {"setup": program.setup, "code": program.code}
    tests = [(step.kind.name, step.body) for step in steps]
    pytest = any(step.kind.uses_pytest(step) for step in steps)
    if not judged:
        return Job(pickle.dumps(sent | {"steps": tests}), pytest=pytest)
    # For one `assert` test, `program` has the code and no test, and `judge` the test and no code:
    #   program  {"setup": "", "code": "def f(x): ...", "modules": ["solution"], "eager": True}
    #   judge    {"steps": [("assert", "assert f(2) == 4")], "modules": ["solution"], "eager": True, "imports": (), ...}
    modules = {"solution"}
    for step in steps:
        modules.update(step.kind.modules(step))
    # Scripts and pytest's files import the solution themselves, and see what that raises.
    eager = not all(step.kind.imports_solution for step in steps)
    both = {"modules": sorted(modules), "eager": eager}
    setup = {"imports": setup_imports(program.setup), "functions": setup_functions(program.setup)}
    key = os.urandom(16)
    judge = both | setup | {"steps": tests, "key": key}
    return Job(pickle.dumps(sent | both), pickle.dumps(judge), pytest=pytest, key=key)
