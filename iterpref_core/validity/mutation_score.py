"""Mutation score: what tests reach of their reference, and which of its mutants they tell apart.

Both are measured where all untrusted code runs. A mutant that does the same as the reference survives any test; such
mutants are not recognized, so that a mutation score of 1 cannot always be reached.
"""

from iterpref_core.execution import Engine, Outcome, Program, program_of, time_limit
from iterpref_core.records import Problem, Record, Sample, Verdict
from iterpref_core.source_code.mutants import Mutant, mutants_of

PRELOAD = ("coverage",)
"""What an executor should have imported to measure quickly."""
TRACING = 5.0
"""CPU seconds that a program may take while it is watched, in multiples of what it may take otherwise."""
MUTANT_FLOOR_S, MUTANT_FACTOR = 0.25, 2.0
"""A mutant may take this multiple of the CPU seconds of the reference while that is watched, but at least the floor:
one that hangs, as many do, costs no more."""


class Survivor(Record):
    """A mutant that passes all tests."""

    line: int
    change: str


class ProblemQuality(Record):
    """What the tests of one problem demand.

    `reference` is the verdict on the reference; where there is none, or it fails, the rest is empty. `coverage` is the
    share of lines and branches together. `mutants` is how many gave a verdict, and `mutation_score` the share of them
    that fail.
    """

    task_id: str
    reference: Verdict | None = None
    line_coverage: float | None = None
    branch_coverage: float | None = None
    coverage: float | None = None
    missing_lines: tuple[int, ...] = ()
    mutants: int = 0
    killed: int = 0
    mutation_score: float | None = None
    survivors: tuple[Survivor, ...] = ()


def measure_tests(problem: Problem, executor: Engine, mutants: int, seed: int) -> ProblemQuality:
    """Measure the tests of a problem, visible and hidden ones together. Blocks; may be called from any thread.

    Args:
        problem: with its reference.
        executor: runs the reference and its mutants; preload `PRELOAD` to make it quick.
        mutants: of the reference, at most; which ones is decided by the seed and the problem's id.
        seed: see there.

    Raises:
        ExecutionError: the engine failed.
    """
    tests = problem.tests + problem.hidden_tests
    if problem.reference is None or not tests:
        return ProblemQuality(task_id=problem.task_id)
    limit_s = executor.limits.cpu_s
    code = program_of(problem, Sample(task_id=problem.task_id, solution=problem.reference)).code
    reference = executor.run_one(Program(code, tests, problem.setup or "", cpu_s=TRACING * limit_s, measure=True))
    if reference.verdict != "passed":
        return _quality(problem, reference, [])
    cpu_s = min(limit_s, time_limit(MUTANT_FLOOR_S, reference.cpu_s, MUTANT_FACTOR))
    chosen = mutants_of(problem.reference, mutants, f"{seed} {problem.task_id}")
    runs = [executor.run_one(Program(mutant.code, tests, problem.setup or "", cpu_s=cpu_s)) for mutant in chosen]
    return _quality(problem, reference, list(zip(chosen, runs, strict=True)))


def _quality(problem: Problem, reference: Outcome, runs: list[tuple[Mutant, Outcome]]) -> ProblemQuality:
    counted = [(mutant, outcome) for mutant, outcome in runs if outcome.verdict != "infra_error"]
    alive = [mutant for mutant, outcome in counted if outcome.verdict == "passed"]
    coverage = reference.coverage
    return ProblemQuality(
        task_id=problem.task_id,
        reference=reference.verdict,
        line_coverage=coverage.line_share if coverage else None,
        branch_coverage=coverage.branch_share if coverage else None,
        coverage=coverage.share if coverage else None,
        missing_lines=coverage.missing if coverage else (),
        mutants=len(counted),
        killed=len(counted) - len(alive),
        mutation_score=1 - len(alive) / len(counted) if counted else None,
        survivors=tuple(Survivor(line=mutant.line, change=mutant.change) for mutant in alive),
    )
