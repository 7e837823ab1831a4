"""Bug injection: pairs whose true error region is known, since it is what was changed in a reference.

The failing program is a mutant of a problem's reference that the tests tell apart from it; the passing one is the
reference. Both are in `ast.unparse`'s form, so that layout is no difference.
"""

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

from iterpref_core.errors import InputError
from iterpref_core.execution import Engine, Outcome, Program, program_of, time_limit
from iterpref_core.progress import show_progress
from iterpref_core.records import FocalSpans, PreferencePair, Problem, Sample
from iterpref_core.source_code.line_diff import diff_lines, span_lines
from iterpref_core.source_code.mutants import Mutant, mutants_of
from iterpref_core.source_code.syntax_tree import parse_source
from iterpref_core.storage.jsonl import atomic_writers, read_jsonl

METHOD = "injected"
MUTANT_FLOOR_S = 0.25
"""CPU seconds that a mutant has at least. It has a multiple of what the reference takes, so one that hangs, as many do,
costs little."""
_BATCH = 32


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
    source = read_jsonl(problems, Problem, unique=True)
    total = sum(1 for _ in read_jsonl(problems, Problem, unique=True))
    with atomic_writers(out, spans) as (pairs_file, spans_file), show_progress("inject", total) as advance:
        assert pairs_file is not None
        assert spans_file is not None
        while batch := list(islice(source, _BATCH)):
            for pair, region in _inject(batch, executor, mutations, seed, counts):
                pairs_file.write(pair.to_json() + "\n")
                spans_file.write(region.to_json() + "\n")
                counts["pairs"] += 1
            counts["problems"] += len(batch)
            advance(len(batch))
        if not counts["pairs"]:
            shown = ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "it is empty"
            raise InputError(f"{problems}: no bug that the tests catch ({shown}); give problems with references")
    return {name: float(count) for name, count in counts.items()}


def _inject(
    batch: list[Problem], executor: Engine, mutations: int, seed: int, counts: Counter[str]
) -> Iterator[tuple[PreferencePair, FocalSpans]]:
    """The pairs of some problems: references run first, then the mutants of those that pass."""
    plain = {problem.task_id: code for problem in batch if (code := _plain(problem, counts)) is not None}
    runnable = [problem for problem in batch if problem.task_id in plain]
    outcomes = executor.run_each(runnable, lambda problem: _program(problem, plain[problem.task_id]))
    bugs: list[tuple[Problem, int, Mutant, float]] = []
    for problem, outcome in outcomes:
        if outcome.verdict != "passed":
            counts[f"dropped/reference_{'not_run' if outcome.verdict == 'infra_error' else 'fails'}"] += 1
            continue
        mutants = mutants_of(problem.reference or "", mutations, f"{seed} {problem.task_id}")
        counts["mutants"] += len(mutants)
        if not mutants:
            counts["dropped/nothing_to_mutate"] += 1
        limit_s = min(executor.limits.cpu_s, time_limit(MUTANT_FLOOR_S, outcome.cpu_s))
        bugs += [(problem, number, mutant, limit_s) for number, mutant in enumerate(mutants)]
    runs = executor.run_each(bugs, lambda bug: _program(bug[0], bug[2].code, bug[3]))
    for (problem, number, mutant, _), outcome in runs:
        task_id, code = f"{problem.task_id}#{number}", plain[problem.task_id]
        region = _true_region(task_id, mutant.code, code)
        fate = _fate(outcome, region)
        counts[f"mutants/{fate}"] += 1
        if fate == "killed":
            counts[f"killed/{outcome.verdict}"] += 1
            yield PreferencePair(task_id=task_id, prompt=problem.prompt, chosen=code, rejected=mutant.code), region


def _plain(problem: Problem, counts: Counter[str]) -> str | None:
    """The reference as `ast.unparse` writes it; None, counted, where there is none or nothing to run it with."""
    reason = "no_reference" if problem.reference is None else "no_tests"
    if problem.reference is not None and problem.tests + problem.hidden_tests:
        try:
            return ast.unparse(parse_source(problem.reference)) + "\n"
        except (SyntaxError, RecursionError):
            reason = "not_parsable"
    counts[f"dropped/{reason}"] += 1
    return None


def _program(problem: Problem, code: str, cpu_s: float | None = None) -> Program:
    return replace(program_of(problem, Sample(task_id=problem.task_id, solution=code)), cpu_s=cpu_s)


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
