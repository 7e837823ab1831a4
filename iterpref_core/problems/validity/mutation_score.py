"""Measure which share of a reference its tests reach (coverage), and which share of its mutants they fail.

Both are measured in the sandbox, like all untrusted code. A mutant that behaves like the reference survives any test.
These equivalent mutants are not recognized, so a mutation score of 1 is not always possible.
"""

from contextlib import suppress
from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field

from iterpref_core.execution import Engine, Program, ValueTest, program_of, run_right_program, tests_inside, time_limit
from iterpref_core.programs.source_code.mutants import mutants_of
from iterpref_core.records import Problem, Record, ScriptTest, StdinTest, Verdict

# Modules for an executor to import once: then measuring is quick.
PRELOAD = ("coverage",)
# The factor on a program's limit of CPU seconds while coverage is measured.
TRACING = 5.0
# CPU seconds that every mutant may take.
MUTANT_FLOOR_S = 0.25
# The CPU seconds that a mutant may take, in multiples of the watched reference's. Many mutants hang, so it is low.
MUTANT_FACTOR = 2.0
# The program that is run instead of the measured one, which it runs.
_WATCH = """
def __reached__():
    watch.stop()
    with open(path, "w", encoding="utf-8") as file:
        file.write(source)
    _, lines, _, missing, _ = watch.analysis2(path)
    exits = watch.branch_stats(path).values()
    ways, taken = sum(pair[0] for pair in exits), sum(pair[1] for pair in exits)
    count = len(lines)
    reached = count - len(missing)
    share = lambda part, whole: part / whole if whole else 1.0
    return share(reached, count), share(taken, ways), share(reached + taken, count + ways), missing

import coverage, os
path, source = os.path.abspath("watched.py"), {source!r}
watch = coverage.Coverage(data_file=None, branch=True, config_file=False, include=[path], messages=False)
watch.start()
exec(compile(source, path, "exec"))
"""
_REACHED = ("line_coverage", "branch_coverage", "coverage", "missing_lines")

Share = Annotated[float, Field(ge=0, le=1)]


class Survivor(Record):
    """A mutant that passes all tests."""

    line: int
    change: str


class ProblemQuality(Record):
    """The quality of a problem's tests.

    Attributes:
        task_id: name of the problem.
        reference: verdict on the reference; all that follows is empty without a reference, or if the tests fail it.
        line_coverage: share of the reference's lines that run.
        branch_coverage: share of the reference's branches that are taken.
        coverage: share of lines and branches together.
        missing_lines: lines that do not run, from 1.
        mutants: number of mutants with a verdict.
        killed: number of mutants that the tests fail.
        mutation_score: `killed` / `mutants`; None without mutants.
        survivors: the mutants that pass all tests.
        inside: number of tests that run inside, where a program can deceive them; None if none does.
    """

    task_id: str
    reference: Verdict | None = None
    line_coverage: Share | None = None
    branch_coverage: Share | None = None
    coverage: Share | None = None
    missing_lines: tuple[int, ...] = ()
    mutants: int = 0
    killed: int = 0
    mutation_score: float | None = None
    survivors: tuple[Survivor, ...] = ()
    inside: int | None = None


def _watched(program: Program) -> Program:
    """Return a program that measures coverage of another one; an added last test returns the coverage as its value."""
    # Take a program that defines f, and a test that calls f(1). The new program starts coverage.py on "watched.py",
    # compiles the old one under this name, and runs it, which defines f. The new tests call f(1), then `__reached__`,
    # which stops coverage.py and returns the shares of "watched.py".
    tests = (*program.tests, ValueTest("__reached__", ()))
    return replace(program, code=_WATCH.format(source=program.code), tests=tests, inside=True)


def measure_tests(
    problem: Problem,
    executor: Engine,
    mutants: int,
    seed: int,
) -> ProblemQuality:
    """Measure the tests of a problem, visible and hidden ones together. Blocks; may be called from any thread.

    Args:
        problem: problem with its reference.
        executor: runs the reference and its mutants; quick if `PRELOAD` is preloaded.
        mutants: largest number of mutants of the reference; the seed and the problem's id decide the choice.
        seed: see `mutants`.

    Raises:
        ExecutionError: the engine failed.
    """
    tests = problem.tests + problem.hidden_tests
    code = problem.reference
    if code is None or not tests:
        return ProblemQuality(task_id=problem.task_id)
    problem, reference = run_right_program(problem, code, executor)
    if reference.verdict != "passed":
        return ProblemQuality(task_id=problem.task_id, reference=reference.verdict)
    program = program_of(problem, code)
    values: list[Any] = []
    # Stdin tests run the program in other processes, and scripts import it from a file, where coverage is not measured.
    if not any(isinstance(test, StdinTest | ScriptTest) for test in tests):
        values, watched = executor.call(replace(_watched(program), cpu_s=TRACING * executor.limits.cpu_s))
        if watched.verdict == "passed":
            reference = watched
    cpu_s = min(executor.limits.cpu_s, time_limit(MUTANT_FLOOR_S, reference.cpu_s, MUTANT_FACTOR))
    chosen = mutants_of(code, mutants, f"{seed} {problem.task_id}")
    counted = 0
    survivors = []
    for mutant in chosen:
        verdict = executor.run_one(replace(program, code=mutant.code, cpu_s=cpu_s)).verdict
        if verdict != "infra_error":
            counted += 1
        if verdict == "passed":
            survivors.append(Survivor(line=mutant.line, change=mutant.change))
    quality = ProblemQuality(
        task_id=problem.task_id,
        reference="passed",
        mutants=counted,
        killed=counted - len(survivors),
        mutation_score=1 - len(survivors) / counted if counted else None,
        survivors=tuple(survivors),
        inside=tests_inside(problem) or None,
    )
    # The last value is missing if coverage was not measured, and arbitrary if the program has interfered.
    with suppress(LookupError, TypeError, ValueError):
        return ProblemQuality(**dict(quality) | dict(zip(_REACHED, values[-1], strict=True)))
    return quality
