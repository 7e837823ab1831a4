"""How fast the localizers that look at the texts alone are, and how much memory streaming takes.

MBPP's references are shorter than what language models answer. A pair is therefore several functions long: one with a
bug, the others correct and, as in a model's answer to "fix this", some of them rewritten for no reason.
"""

import ast
import multiprocessing
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random

from iterpref_core.config import LocalizationMethod, LocalizationParams
from iterpref_core.execution.mutants import mutants_of
from iterpref_core.localization.localization import ON_TEXT, localize_pairs
from iterpref_core.problems.rewrites import rewrite
from iterpref_core.records import PreferencePair, Problem, split_lines
from iterpref_core.storage.jsonl import read_jsonl, write_jsonl
from tasks.common.resource_usage import peak_mb

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


def bench_speed(problems: Path, pairs: int = MEASURED) -> dict[str, float]:
    """Pairs per second and peak memory of every localizer that runs no programs, one process each, one after another.

    Args:
        problems: problems with references that can be mutated.
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
                result |= alone.submit(_measure, path, pairs, method).result()
    return result


def _measure(path: Path, pairs: int, method: LocalizationMethod) -> dict[str, float]:
    params = LocalizationParams(method=method, empty="anchor", max_executions=4, widen_lines=0, seed=0)
    before = peak_mb()
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
