"""Bug injection: pairs whose true error region is known, since it is what was changed in a reference.

The failing program is a mutant of a problem's reference that the tests tell apart from it; the passing one is the
reference. Both are in `ast.unparse`'s form, so that layout is no difference.
"""

import ast
from collections import Counter
from dataclasses import replace
from pathlib import Path

from iterpref_core.errors import InputError
from iterpref_core.execution import Engine, Outcome, Program, program_of, reference_outcomes, time_limit
from iterpref_core.progress import show_progress
from iterpref_core.records import FocalSpans, PreferencePair, Problem, Sample
from iterpref_core.source_code.line_diff import diff_lines, span_lines
from iterpref_core.source_code.mutants import Mutant, mutants_of
from iterpref_core.source_code.syntax_tree import parse_source
from iterpref_core.storage.jsonl import atomic_writer, read_jsonl

METHOD = "injected"
MUTANT_FLOOR_S = 0.25
"""CPU seconds that a mutant has at least. It has a multiple of what the reference takes, so one that hangs, as many do,
costs little."""


def inject_bugs(
    problems: Path, out: Path, spans: Path, executor: Engine, *, mutations: int, seed: int
) -> dict[str, float]:
    """Write pairs with injected bugs and their true regions; both files appear whole.

    Args:
        problems: JSONL of problems with references and tests.
        out: JSONL of pairs to write, several to a problem: `<task_id>#<number of the mutant>`.
        spans: JSONL of FocalSpans to write, one for each pair: the lines that were changed, and their counterpart.
        executor: runs references and mutants, with hidden tests.
        mutations: of each reference, at most; which ones is decided by the seed and the problem's id.
        seed: see there.

    Returns:
        `problems` read, `pairs` written, `mutants` tried; `mutants/<fate>`: a pair (`killed`), or it passes all tests
        (`equivalent`), had no verdict (`not_run`), or differs from the reference in nothing that could be marked
        (`no_region`); `killed/<verdict>`; and `dropped/<reason>` for problems that gave none.

    Raises:
        RecordError: a line is broken.
        InputError: no pair can be made.
        ExecutionError: the engine failed.
    """
    counts = Counter({"problems": 0, "pairs": 0, "mutants": 0})
    bugs: list[tuple[Problem, str, int, Mutant, float]] = []
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
        bugs += [(problem, plain, number, mutant, limit_s) for number, mutant in enumerate(mutants)]
    with (
        atomic_writer(out) as pairs_file,
        atomic_writer(spans) as spans_file,
        show_progress("inject", len(bugs)) as advance,
    ):
        for (problem, plain, number, mutant, _), outcome in executor.run_each(bugs, _program):
            advance()
            task_id = f"{problem.task_id}#{number}"
            region = _true_region(task_id, mutant.code, plain)
            fate = _fate(outcome, region)
            counts[f"mutants/{fate}"] += 1
            if fate == "killed":
                counts[f"killed/{outcome.verdict}"] += 1
                counts["pairs"] += 1
                pair = PreferencePair(
                    task_id=task_id,
                    prompt=problem.prompt,
                    chosen=plain,
                    rejected=mutant.code,
                    problem_id=problem.task_id,
                )
                pairs_file.write(pair.to_json() + "\n")
                spans_file.write(region.to_json() + "\n")
        if not counts["pairs"]:
            shown = ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "it is empty"
            raise InputError(f"{problems}: no bug that the tests catch ({shown}); give problems with references")
    return {name: float(count) for name, count in counts.items()}


def _program(bug: tuple[Problem, str, int, Mutant, float]) -> Program:
    problem, _, _, mutant, limit_s = bug
    return replace(program_of(problem, Sample(task_id=problem.task_id, solution=mutant.code)), cpu_s=limit_s)


def _fate(outcome: Outcome, region: FocalSpans) -> str:
    if outcome.verdict == "passed":
        return "equivalent"
    if outcome.verdict == "infra_error":
        return "not_run"
    return "killed" if region.rejected else "no_region"


def _true_region(task_id: str, mutant: str, plain: str) -> FocalSpans:
    """One node of the tree differs, so one run of lines does: what the LCS leaves over is exactly that."""
    changed = diff_lines(mutant, plain)
    return FocalSpans(
        task_id=task_id,
        method=METHOD,
        rejected=span_lines(mutant, changed.rejected),
        chosen=span_lines(plain, changed.chosen),
    )
