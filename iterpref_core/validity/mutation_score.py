"""Mutation score: what tests reach of their reference, and which of its mutants they tell apart.

Both are measured where all untrusted code runs. A mutant that does the same as the reference survives any test; such
mutants are not recognized, so that a mutation score of 1 cannot always be reached.
"""

from contextlib import suppress
from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field

from iterpref_core.execution import Engine, Outcome, Program, ValueTest, program_of, time_limit
from iterpref_core.records import Problem, Record, Sample, ScriptTest, StdinTest, Verdict
from iterpref_core.source_code.mutants import mutants_of
from iterpref_core.validity.llm_judge import Scores

PRELOAD = ("coverage",)
"""What an executor should have imported to measure quickly."""
TRACING = 5.0
"""CPU seconds that a program may take while it is watched, in multiples of what it may take otherwise."""
MUTANT_FLOOR_S, MUTANT_FACTOR = 0.25, 2.0
"""A mutant may take so many CPU seconds, or as many times those of the watched reference: many of them hang."""
_WATCH = """
def __reached__():
    watch.stop()
    with open(path, "w", encoding="utf-8") as file:
        file.write(source)
    _, lines, _, missing, _ = watch.analysis2(path)
    missing = [line - skip for line in missing if line > skip]
    exits = [pair for line, pair in watch.branch_stats(path).items() if line > skip]
    ways, taken = sum(pair[0] for pair in exits), sum(pair[1] for pair in exits)
    count = sum(line > skip for line in lines)
    reached = count - len(missing)
    share = lambda part, whole: part / whole if whole else 1.0
    return share(reached, count), share(taken, ways), share(reached + taken, count + ways), missing

import coverage, os
path, skip, source = os.path.abspath({path!r}), {skip}, {source!r}
watch = coverage.Coverage(data_file=None, branch=True, config_file=False, include=[path], messages=False)
watch.start()
{run}
"""
"""Loaded in the place of a program, which it runs, or which scripts import: the lines of its setup do not count."""
_REACHED = ("line_coverage", "branch_coverage", "coverage", "missing_lines")

Share = Annotated[float, Field(ge=0, le=1)]


class Survivor(Record):
    """A mutant that passes all tests."""

    line: int
    change: str


class ProblemQuality(Record):
    """What the tests of one problem demand.

    `reference` is the verdict on the reference; where there is none, or it fails, the rest is empty. `coverage` is the
    share of lines and branches together. `mutants` is how many gave a verdict, and `mutation_score` the share of them
    that fail. `judge` is what a judge says, where it was asked and its answer read.
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
    judge: Scores | None = None


def _watched(program: Program) -> Program:
    """The program with coverage.py around it, which says as the value of a last test what the others have reached."""
    modules = [test.module for test in program.tests if isinstance(test, ScriptTest)]
    path = modules[0].replace(".", "/") + ".py" if modules else "watched.py"
    source = f"{program.setup}\n{program.code}" if modules and program.setup else program.code
    skip = source.count("\n") - program.code.count("\n")
    run = "" if len(modules) == len(program.tests) else 'exec(compile(source, path, "exec"))'
    tests = (
        test.model_copy(update={"files": {path: source, **test.files}}) if isinstance(test, ScriptTest) else test
        for test in program.tests
    )
    code = _WATCH.format(path=path, skip=skip, source=source, run=run)
    return replace(program, code=code, tests=(*tests, ValueTest("__reached__", ())), inside=True)


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
    program = program_of(problem, Sample(task_id=problem.task_id, solution=problem.reference))
    program = replace(program, cpu_s=TRACING * executor.limits.cpu_s)
    values: list[Any] = []
    reference: Outcome | None = None
    if not any(isinstance(test, StdinTest) for test in tests):  # a script is another process for each test
        values, reference = executor.call(_watched(program))
    if reference is None or reference.verdict != "passed":
        # It is a script, it fails, or coverage.py is not in its environment.
        values = []
        reference = executor.run_one(program)
    if reference.verdict != "passed":
        return ProblemQuality(task_id=problem.task_id, reference=reference.verdict)
    cpu_s = min(executor.limits.cpu_s, time_limit(MUTANT_FLOOR_S, reference.cpu_s, MUTANT_FACTOR))
    chosen = mutants_of(problem.reference, mutants, f"{seed} {problem.task_id}")
    runs = [(mutant, executor.run_one(replace(program, code=mutant.code, cpu_s=cpu_s)).verdict) for mutant in chosen]
    counted = [(mutant, verdict) for mutant, verdict in runs if verdict != "infra_error"]
    survived = [mutant for mutant, verdict in counted if verdict == "passed"]
    quality = ProblemQuality(
        task_id=problem.task_id,
        reference="passed",
        mutants=len(counted),
        killed=len(counted) - len(survived),
        mutation_score=1 - len(survived) / len(counted) if counted else None,
        survivors=tuple(Survivor(line=mutant.line, change=mutant.change) for mutant in survived),
    )
    with suppress(LookupError, TypeError, ValueError):  # not watched, or the program has interfered
        return ProblemQuality(**dict(quality) | dict(zip(_REACHED, values[-1], strict=True)))
    return quality
