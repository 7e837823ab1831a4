"""`iterpref bench localization`: how well each localizer finds bugs that were put in known places.

The failing program is a mutant of a reference; the passing one is the reference after rewrites that keep its meaning.
What the reference and the mutant differ in is the true error region; what the two programs differ in is much more.
How fast they are is measured on longer programs (`bench_localization_speed`).
"""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from iterpref_core.config import ExecutionParams
from iterpref_core.errors import InputError
from iterpref_core.execution import open_executor
from iterpref_core.execution.mutants import mutants_of
from iterpref_core.localization.causal import find_causes
from iterpref_core.localization.localization import ON_TEXT
from iterpref_core.localization.span_agreement import SpanCounts, lines_in
from iterpref_core.problems.rewrites import rewrite
from iterpref_core.progress import show_progress
from iterpref_core.records import PreferencePair, Problem
from iterpref_core.source_code.line_diff import diff_lines
from iterpref_core.storage.jsonl import read_jsonl
from tasks.benchmarks.bench_localization_speed import MEASURED, bench_speed

MUTANTS, REWRITES = 2, 4


def bench_localization(
    problems: Path, execution: ExecutionParams, max_executions: int, timed: int = MEASURED
) -> dict[str, float]:
    """Precision and recall of the marked lines, for every localizer, and the speed of those that run no programs.

    Args:
        problems: problems with references and tests, such as MBPP's.
        execution: what runs the tests.
        max_executions: of `causal`, for one pair.
        timed: pairs that speed and memory are measured on.

    Returns:
        `pairs` that the tests tell apart, and for each method `<method>/precision`, `/recall` (micro-averaged over
        lines) and `/executions_per_pair`; and what `bench_speed` returns.

    Raises:
        InputError: no problem has a reference that can be mutated.
    """
    made = list(_make_pairs(problems))
    if not made:
        raise InputError(f"{problems}: no problem has a reference with something to mutate; give MBPP's problems")
    wrong = {pair.task_id: lines for pair, _, lines in made}
    tallies = {method: SpanCounts() for method in (*ON_TEXT, "causal")}
    executions: Counter[str] = Counter()
    with open_executor(execution) as executor, show_progress("localize", len(made), unit="pairs") as advance:
        causes = find_causes(((pair, problem) for pair, problem, _ in made), executor, max_executions)
        for pair, cause in causes:
            advance()
            if cause.unusable:
                continue
            for method, (find, anchor) in ON_TEXT.items():
                spans = find(pair.rejected, pair.chosen).rejected or anchor(pair.rejected, pair.chosen)
                tallies[method].add(lines_in(pair.rejected, spans), wrong[pair.task_id])
            spans = cause.region.rejected or cause.anchors
            tallies["causal"].add(lines_in(pair.rejected, spans), wrong[pair.task_id])
            executions["causal"] += cause.executions
    rates = {"pairs": float(tallies["causal"].pairs)}
    for method, tally in tallies.items():
        rates[f"{method}/precision"] = round(tally.precision, 3)
        rates[f"{method}/recall"] = round(tally.recall, 3)
        rates[f"{method}/executions_per_pair"] = round(executions[method] / max(tally.pairs, 1), 1)
    return rates | bench_speed(problems, timed)


def _make_pairs(problems: Path) -> Iterator[tuple[PreferencePair, Problem, set[int]]]:
    """Pairs with their problem and the lines of the failing program, from 0, that are wrong."""
    for problem in read_jsonl(problems, Problem, unique=True):
        if problem.reference is None or not problem.tests:
            continue
        try:
            mutants = mutants_of(problem.reference, MUTANTS, problem.task_id)
            plain = ast.unparse(ast.parse(problem.reference))
        except ValueError:  # a reference for another Python; there is nothing to mutate
            continue
        for number, mutant in enumerate(mutants):
            name = f"{problem.task_id}/{number}"
            chosen = rewrite(problem.reference, name, REWRITES)
            pair = PreferencePair(task_id=name, prompt=problem.prompt, chosen=chosen, rejected=mutant.code)
            if wrong := set(diff_lines(mutant.code, plain).rejected):
                yield pair, problem, wrong
