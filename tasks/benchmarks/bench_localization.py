"""`iterpref bench localization`: how well each localizer finds bugs that were put in known places.

The failing program is a mutant of a reference; the passing one is the reference after rewrites that keep its meaning.
What the reference and the mutant differ in is the true error region; what the two programs differ in is much more.
How fast they are is measured on longer programs (`bench_localization_speed`).
"""

import ast
import multiprocessing
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random

from iterpref_core.config import ExecutionParams, LocalizationParams
from iterpref_core.errors import InputError
from iterpref_core.execution import open_executor
from iterpref_core.execution.mutants import mutants_of
from iterpref_core.localization.causal import find_causes
from iterpref_core.localization.localization import ON_TEXT, localize_pairs
from iterpref_core.localization.span_agreement import SpanCounts, lines_in
from iterpref_core.problems.rewrites import rewrite
from iterpref_core.progress import show_progress
from iterpref_core.records import PreferencePair, Problem, split_lines
from iterpref_core.source_code.line_diff import diff_lines
from iterpref_core.storage.jsonl import read_jsonl, write_jsonl
from tasks.common.stage_body import peak_mb

PAPER_PAIRS = 59_000
"""About as many pairs as the paper trains on."""
MEASURED = 4_000
"""Pairs localized by each method: about fifteen seconds of work in all."""
LINES = (30, 80)
REWRITTEN_SHARE = 0.3
"""Share of the correct functions that the passing program has in other words."""
SEED = 59


@dataclass(frozen=True)
class _Function:
    """A reference as it is, in other words, and with a bug in it."""

    plain: str
    rewritten: str
    broken: str


def bench_speed(problems: Path, params: LocalizationParams, pairs: int = MEASURED) -> dict[str, float]:
    """Pairs per second and peak memory of every localizer that runs no programs, one process each, one after another.

    Args:
        problems: problems with references that can be mutated.
        params: `iterpref localize`'s, but for method and policy.
        pairs: how many pairs are made and localized.

    Returns:
        `timed_pairs`, `timed_lines_mean` (of a failing program), and for each method `<method>/pairs_per_s`,
        `/minutes_for_59000`, `/peak_mb` (resident, of the whole process) and `/growth_mb`: by how much localizing
        raised this peak above that of importing the program.
    """
    with tempfile.TemporaryDirectory(prefix="iterpref-bench-") as folder:
        path = Path(folder, "pairs.jsonl")
        write_jsonl(path, long_pairs(problems, pairs))
        lines = sum(len(split_lines(pair.rejected)) for pair in read_jsonl(path, PreferencePair))
        result = {"timed_pairs": float(pairs), "timed_lines_mean": round(lines / pairs, 1)}
        for method in ON_TEXT:
            context = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(1, mp_context=context) as alone:
                settings = params.model_copy(update={"method": method, "empty": "anchor", "widen_lines": 0})
                result |= alone.submit(_measure, path, pairs, settings).result()
    return result


def _measure(path: Path, pairs: int, params: LocalizationParams) -> dict[str, float]:
    method, before = params.method, peak_mb()
    started = time.perf_counter()
    localize_pairs(path, params, path.with_name("focal.jsonl"))
    seconds = time.perf_counter() - started
    return {
        f"{method}/pairs_per_s": round(pairs / seconds, 1),
        f"{method}/minutes_for_59000": round(PAPER_PAIRS * seconds / pairs / 60, 2),
        f"{method}/peak_mb": round(peak_mb(), 1),
        f"{method}/growth_mb": round(peak_mb() - before, 1),
    }


def long_pairs(problems: Path, count: int) -> Iterator[PreferencePair]:
    """Pairs of `LINES` lines (drawn evenly), the same ones every time."""
    functions = list(_functions(problems))
    random = Random(SEED)
    for number in range(count):
        wanted = random.randint(*LINES)
        first = random.choice(functions)
        parts = [(first.rewritten, first.broken)]
        lines = first.broken.count("\n")
        while lines < wanted:
            other = random.choice(functions)
            parts.append((other.rewritten if random.random() < REWRITTEN_SHARE else other.plain, other.plain))
            lines += other.plain.count("\n") + 1
        random.shuffle(parts)
        chosen, rejected = ("\n".join(side) for side in zip(*parts, strict=True))
        yield PreferencePair(task_id=f"timed/{number}", prompt="Write it.", chosen=chosen, rejected=rejected)


def _functions(problems: Path) -> Iterator[_Function]:
    for problem in read_jsonl(problems, Problem, unique=True):
        if problem.reference is None:
            continue
        try:
            mutants = mutants_of(problem.reference, 1, problem.task_id)
            plain = ast.unparse(ast.parse(problem.reference)) + "\n"
        except ValueError:  # a reference for another Python; there is nothing to mutate
            continue
        if mutants:
            rewritten = rewrite(problem.reference, problem.task_id, 4)
            yield _Function(plain, rewritten.rstrip("\n") + "\n", mutants[0].code.rstrip("\n") + "\n")


MUTANTS, REWRITES = 2, 4


def bench_localization(
    problems: Path, execution: ExecutionParams, params: LocalizationParams, timed: int = MEASURED
) -> dict[str, float]:
    """Precision and recall of the marked lines, for every localizer, and the speed of those that run no programs.

    Args:
        problems: problems with references and tests, such as MBPP's.
        execution: what runs the tests.
        params: how many programs `causal` runs for one pair.
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
        causes = find_causes(((pair, problem) for pair, problem, _ in made), executor, params.max_executions)
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
    return rates | bench_speed(problems, params, timed)


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
