"""EvalPlus's tests as programs of this project's sandbox, judged as `evalplus.eval.untrusted_check` (0.3.1) does.

A sample runs with its task's base tests and, if it passes these, with the plus tests, each in a process of its own.
The time limits are EvalPlus's, of CPU time where there it is real time: a verdict depends less on what else is running.
HumanEval/32 is judged by its oracle; evalplus 0.3.1 has the same one, but forgets to count the tests that pass it, and
so fails every program (corrected after the release; the report is evalplus's pull request 201).
"""

from collections.abc import Iterator
from dataclasses import replace

from iterpref_core.config import ExecutionParams
from iterpref_core.evaluation.evalplus_oracle import SUITES, Oracle
from iterpref_core.evaluation.program_runs import Candidate, ProgramRun
from iterpref_core.execution import ENGINE, Engine, Program, open_executor, time_limit
from iterpref_core.records import Sample

HARNESS = f"evalplus-0.3.1 in {ENGINE}"

RULES = {"min_time_limit_s": 1.0, "gt_time_limit_factor": 4.0, "timeout_per_task_s": 60.0}
"""EvalPlus's defaults: a test may take the larger of 1 s and 4 times the canonical solution's time; all tests of a
suite a minute, or the sum of these, and 1 s more. The canonical solution's time is known here for a whole suite."""

LIMITS = {"cpu_s": 61.0, "wall_s": 122.0, "memory_mb": 4096, "output_kb": 16 * 1024, "file_mb": 64}
"""Memory is EvalPlus's; it counts no output and no files."""

UNJUDGED = ProgramRun("infra_error", "the task's own solution fails here, so it is not known what is right", 0, 0.0)


def open_harness(execution: ExecutionParams) -> Engine:
    """An engine with EvalPlus's limits."""
    return open_executor(execution.model_copy(update=LIMITS), preload=("numpy",))


def candidate_of(oracle: Oracle, sample: Sample) -> Candidate:
    """A sample (a whole program) with the tests of its task, which the oracle must have."""
    suites = [suite for suite in SUITES if oracle.covers(sample.task_id, suite)]

    def programs() -> Iterator[Program]:
        for suite in suites:
            reference_s = oracle.cpu_s(sample.task_id, suite)
            program = oracle.program(sample.task_id, suite)
            base_s, factor = RULES["min_time_limit_s"], RULES["gt_time_limit_factor"]
            all_s = time_limit(base_s * len(program.tests), reference_s, factor)
            yield replace(
                program,
                code=sample.solution or "",
                cpu_s=min(RULES["timeout_per_task_s"], all_s) + 1.0,
                test_cpu_s=time_limit(base_s, reference_s, factor),
            )

    return Candidate(programs(), len(suites))


def without_plus(run: ProgramRun) -> ProgramRun:
    """What became of a sample by the base tests alone."""
    return run if run.passed == 0 else ProgramRun("passed", "", run.passed, run.cpu_s)
