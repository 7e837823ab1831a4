"""Mutation score: what tests reach of their reference, and which of its mutants they tell apart.

Both are measured where all untrusted code runs. A mutant that does the same as the reference survives any test; such
mutants are not recognized, so that a mutation score of 1 cannot always be reached.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

from iterpref_core.errors import ConfigError
from iterpref_core.execution.engine import Engine
from iterpref_core.execution.mutants import Mutant, mutants_of
from iterpref_core.execution.programs import Outcome, Program, time_limit
from iterpref_core.execution.samples import program_of, read_problems
from iterpref_core.progress import show_progress
from iterpref_core.records import Problem, Record, Sample, Verdict
from iterpref_core.storage.jsonl import atomic_writers

PRELOAD = ("coverage",)
"""What an executor should have imported to measure quickly."""
TRACING = 5.0
"""CPU seconds that a program may take while it is watched, in multiples of what it may take otherwise."""
MUTANT_FLOOR_S, MUTANT_FACTOR = 0.25, 2.0
"""A mutant may take this multiple of the CPU seconds of the reference while that is watched, but at least the floor:
one that hangs, as many do, costs no more."""
_BATCH = 64

Reason = Literal["no_reference", "reference_fails", "not_measurable", "low_coverage", "low_mutation_score"]


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


@dataclass(frozen=True)
class QualityOptions:
    """What to measure and what to demand.

    Attributes:
        max_mutants: of each reference; which ones is decided by the seed and the problem's id.
        seed: see there.
        min_coverage: of lines and branches together, 0 to 1; None demands nothing.
        min_mutation_score: 0 to 1; None demands nothing.

    Raises:
        ConfigError: a value is out of range.
    """

    max_mutants: int = 30
    seed: int = 0
    min_coverage: float | None = None
    min_mutation_score: float | None = None

    def __post_init__(self) -> None:
        if self.max_mutants < 1:
            raise ConfigError(f"max_mutants is {self.max_mutants}; it must be at least 1")
        for name in ("min_coverage", "min_mutation_score"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise ConfigError(f"{name} is {value}; it must be between 0 and 1")

    def reason_against(self, found: ProblemQuality) -> Reason | None:
        """Why a problem is to be dropped; None if it is not. Without thresholds none is."""
        if self.min_coverage is None and self.min_mutation_score is None:
            return None
        if found.reference != "passed":
            return "no_reference" if found.reference is None else "reference_fails"
        if self.min_coverage is not None and (found.coverage is None or found.coverage < self.min_coverage):
            return "not_measurable" if found.coverage is None else "low_coverage"
        score = found.mutation_score
        if self.min_mutation_score is not None and score is not None and score < self.min_mutation_score:
            return "low_mutation_score"
        return None


def _reference(problem: Problem, limit_s: float) -> Program:
    program = program_of(problem, Sample(task_id=problem.task_id, solution=problem.reference))
    return Program(program.code, program.tests, program.setup, cpu_s=TRACING * limit_s, measure=True)


def _mutants(problem: Problem, options: QualityOptions) -> list[Mutant]:
    try:
        return mutants_of(problem.reference or "", options.max_mutants, f"{options.seed} {problem.task_id}")
    except ValueError:  # it passes its tests, and is nested more deeply than a tree can be written down
        return []


def _judge(problem: Problem, reference: Outcome, runs: list[tuple[Mutant, Outcome]]) -> ProblemQuality:
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


def _measure_batch(batch: list[Problem], executor: Engine, options: QualityOptions) -> Iterator[ProblemQuality]:
    limit_s = executor.limits.cpu_s
    runnable = [problem for problem in batch if problem.reference is not None and problem.tests + problem.hidden_tests]
    outcomes = executor.run_each(runnable, lambda problem: _reference(problem, limit_s))
    references = {problem.task_id: outcome for problem, outcome in outcomes}
    jobs: list[tuple[Problem, Mutant]] = [
        (problem, mutant)
        for problem in runnable
        if references[problem.task_id].verdict == "passed"
        for mutant in _mutants(problem, options)
    ]

    def program(job: tuple[Problem, Mutant]) -> Program:
        problem, mutant = job
        cpu_s = min(limit_s, time_limit(MUTANT_FLOOR_S, references[problem.task_id].cpu_s, MUTANT_FACTOR))
        return Program(mutant.code, problem.tests + problem.hidden_tests, problem.setup or "", cpu_s=cpu_s)

    runs: dict[str, list[tuple[Mutant, Outcome]]] = {problem.task_id: [] for problem in batch}
    for (problem, mutant), outcome in executor.run_each(jobs, program):
        runs[problem.task_id].append((mutant, outcome))
    for problem in batch:
        reference = references.get(problem.task_id)
        if reference is None:
            yield ProblemQuality(task_id=problem.task_id)
        else:
            yield _judge(problem, reference, runs[problem.task_id])


def measure_quality(
    problems: Iterable[Problem], executor: Engine, options: QualityOptions
) -> Iterator[tuple[Problem, ProblemQuality]]:
    """Measure the tests of problems, visible and hidden ones together; streams, in the order of the problems.

    Args:
        problems: any number, with different ids.
        executor: runs references and mutants; preload `PRELOAD` to make it quick.
        options: how many mutants, and which.

    Raises:
        ExecutionError: the engine failed.
    """
    source = iter(problems)
    while batch := list(islice(source, _BATCH)):
        yield from zip(batch, _measure_batch(batch, executor, options), strict=True)


class _Summary:
    """Means over problems, and counts."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter(problems=0, kept=0, mutants=0, killed=0)
        self._shares: dict[str, list[float]] = {"line_coverage": [], "branch_coverage": [], "mutation_score": []}

    def add(self, found: ProblemQuality, reason: Reason | None) -> None:
        self._counts.update(problems=1, kept=int(reason is None), mutants=found.mutants, killed=found.killed)
        if reason is not None:
            self._counts[f"dropped/{reason}"] += 1
        for name, values in self._shares.items():
            if (value := getattr(found, name)) is not None:
                values.append(value)

    def metrics(self) -> dict[str, float]:
        """Counts, and the mean of every share that was measured at least once."""
        means = {name: sum(values) / len(values) for name, values in self._shares.items() if values}
        return {name: float(count) for name, count in self._counts.items()} | means


def assess_tests(
    problems: Path, executor: Engine, options: QualityOptions, *, scores: Path | None = None, out: Path | None = None
) -> dict[str, float]:
    """Measure the tests of a file's problems, and leave out those that fall short.

    Args:
        problems: JSONL of `Problem`.
        executor: runs references and mutants.
        options: what to measure and what to demand.
        scores: where to write JSONL of `ProblemQuality`, in the order of the problems; None for nowhere.
        out: where to write the problems that are kept; None for nowhere.

    Returns:
        `problems`, `kept`, `dropped/<reason>`, `mutants`, `killed`, and the mean over problems of `line_coverage`,
        `branch_coverage` and `mutation_score`.

    Raises:
        RecordError: a broken line, or a problem without tests.
        ExecutionError: the engine failed.
    """
    known = read_problems(problems)
    summary = _Summary()
    with ExitStack() as stack:
        score_file, kept_file = stack.enter_context(atomic_writers(scores, out))
        advance = stack.enter_context(show_progress("quality", len(known)))
        for problem, found in measure_quality(known.values(), executor, options):
            reason = options.reason_against(found)
            summary.add(found, reason)
            if score_file is not None:
                score_file.write(found.to_json() + "\n")
            if kept_file is not None and reason is None:
                kept_file.write(problem.to_json() + "\n")
            advance(1)
    return summary.metrics()
