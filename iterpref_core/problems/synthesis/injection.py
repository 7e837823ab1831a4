"""Inject known bugs into references, to make pairs with a known error region.

The failing program is a mutant of a problem's reference that fails the tests; the passing one is the reference. Both
are written by `ast.unparse`, so that they do not differ in layout.
"""

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from iterpref_core.execution import Engine, Outcome, Program, program_of, reference_outcomes, time_limit
from iterpref_core.programs.source_code.line_diff import locate_error
from iterpref_core.programs.source_code.mutants import Mutant, mutants_of
from iterpref_core.programs.source_code.syntax_tree import parse_source
from iterpref_core.records import FocalSpans, PreferencePair, Problem
from iterpref_core.records.errors import InputError
from iterpref_core.storage.jsonl import atomic_writer, read_jsonl
from iterpref_core.storage.progress import show_progress

METHOD = "injected"
# The smallest limit of CPU seconds for a mutant. The limit is a multiple of the reference's time, so that the many
# mutants that hang cost little.
MUTANT_FLOOR_S = 0.25


def inject_bugs(
    problems: Path,
    out: Path,
    spans: Path,
    executor: Engine,
    *,
    mutations: int,
    seed: int,
) -> dict[str, float]:
    """Write pairs with injected bugs and their true regions; both files appear whole.

    Args:
        problems: JSONL of problems with references and tests.
        out: JSONL of pairs to write, several to a problem: `<task_id>#<number of the mutant>`.
        spans: JSONL of FocalSpans to write, one for each pair: the lines that were changed, and their counterpart.
        executor: runs references and mutants, with hidden tests.
        mutations: largest number of mutants of each reference; the seed and the problem's id decide the choice.
        seed: see `mutations`.

    Returns:
        `problems` read, `pairs` written, `mutants` tried; `killed/<verdict>`; `dropped/<reason>` for problems without
        mutants; and `mutants/<fate>`, where a fate is `killed` (a pair is written), `equivalent` (the mutant
        passes all tests), `not_run` (no verdict) and `no_region` (no line differs).

    Raises:
        RecordError: a line is broken.
        InputError: no pair can be made.
        ExecutionError: the engine failed.
    """
    counts = Counter({"problems": 0, "pairs": 0, "mutants": 0})
    bugs = list(_bugs(problems, executor, mutations, seed, counts))
    with (
        atomic_writer(out) as pairs_file,
        atomic_writer(spans) as spans_file,
        show_progress("inject", len(bugs)) as advance,
    ):
        for bug, outcome in executor.run_each(bugs, _program):
            advance()
            region = _true_region(bug)
            fate = _fate(outcome, region)
            counts[f"mutants/{fate}"] += 1
            if fate == "killed":
                counts[f"killed/{outcome.verdict}"] += 1
                counts["pairs"] += 1
                pair = PreferencePair(
                    task_id=bug.task_id,
                    prompt=bug.problem.prompt,
                    chosen=bug.reference,
                    rejected=bug.mutant.code,
                    problem_id=bug.problem.task_id,
                    license=bug.problem.license,
                    provenance=bug.problem.provenance,
                )
                pairs_file.write(pair.to_json() + "\n")
                spans_file.write(region.to_json() + "\n")
        if not counts["pairs"]:
            shown = ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "it is empty"
            raise InputError(f"{problems}: no bug that the tests catch ({shown}); give problems with references")
    return {name: float(count) for name, count in counts.items()}


@dataclass(frozen=True)
class _Bug:
    """A mutant of a problem's reference.

    Attributes:
        problem: the problem.
        reference: its reference, as `ast.unparse` writes it.
        task_id: name of the pair to be.
        mutant: the reference with one change.
        limit_s: CPU seconds that the mutant may take.
    """

    problem: Problem
    reference: str
    task_id: str
    mutant: Mutant
    limit_s: float


def _bugs(problems: Path, executor: Engine, mutations: int, seed: int, counts: Counter[str]) -> Iterator[_Bug]:
    """Yield the mutants of the references that pass their tests."""
    for problem, outcome in reference_outcomes(read_jsonl(problems, Problem, unique=True), executor):
        counts["problems"] += 1
        if outcome is None or outcome.verdict != "passed":
            reason = "no_reference_or_tests" if outcome is None else "reference_fails"
            counts[f"dropped/{reason}"] += 1
            continue
        reference = problem.reference or ""
        mutants = mutants_of(reference, mutations, f"{seed} {problem.task_id}")
        counts["mutants"] += len(mutants)
        plain = ast.unparse(parse_source(reference)) + "\n"
        limit_s = min(executor.limits.cpu_s, time_limit(MUTANT_FLOOR_S, outcome.cpu_s))
        for number, mutant in enumerate(mutants):
            yield _Bug(problem, plain, f"{problem.task_id}#{number}", mutant, limit_s)


def _program(bug: _Bug) -> Program:
    return replace(program_of(bug.problem, bug.mutant.code), cpu_s=bug.limit_s)


def _fate(outcome: Outcome, region: FocalSpans) -> str:
    if outcome.verdict == "passed":
        return "equivalent"
    if outcome.verdict == "infra_error":
        return "not_run"
    return "killed" if region.rejected else "no_region"


def _true_region(bug: _Bug) -> FocalSpans:
    """Return the changed lines. One node of the tree differs, so the lines outside the LCS are exactly the change."""
    region = locate_error(bug.mutant.code, bug.reference)
    return FocalSpans(task_id=bug.task_id, method=METHOD, rejected=region.rejected, chosen=region.chosen)
