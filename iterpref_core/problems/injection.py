"""Bug injection: pairs whose true error region is known, since it is what was changed in a reference.

The failing program is a mutant of a problem's reference that the tests tell apart from it; the passing one is the
reference, as it is or after rewrites that keep its meaning (a model's fix does more than fix). All programs are in
`ast.unparse`'s form, so that layout is no difference.
"""

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Literal

from iterpref_core.errors import ConfigError, InputError
from iterpref_core.execution import Engine, Outcome, Program, program_of, time_limit
from iterpref_core.execution.mutants import Mutant, mutants_of
from iterpref_core.problems.rewrites import rewrite
from iterpref_core.progress import show_progress
from iterpref_core.records import FocalSpans, PreferencePair, Problem, Record, Sample
from iterpref_core.source_code.line_diff import diff_lines, span_lines
from iterpref_core.storage.code_digest import code_digest
from iterpref_core.storage.jsonl import atomic_writers, read_jsonl
from iterpref_core.storage.run_store import RunStore, digest

METHOD = "injected"
MUTANT_FLOOR_S = 0.25
"""CPU seconds that a mutant has at least. It has a multiple of what the reference takes, so one that hangs, as many do,
costs little."""
_BATCH = 32

Reason = Literal[
    "no_reference", "no_tests", "not_parsable", "nothing_to_mutate", "reference_fails", "reference_not_run"
]
"""Why a problem gives no mutant."""
Fate = Literal["killed", "equivalent", "not_run", "no_region", "rewrite_fails"]
"""What becomes of a mutant: a pair (`killed`), or it passes all tests, had no verdict, differs from the reference in
nothing that could be marked, or the rewritten reference does not pass."""


@dataclass(frozen=True)
class InjectionOptions:
    """Which bugs.

    Attributes:
        mutations: of each reference, at most; which ones is decided by the seed and the problem's id.
        seed: see there.
        rewrites: of the passing program, at most; 0 leaves it as it is.

    Raises:
        ConfigError: a value is out of range.
    """

    mutations: int
    seed: int
    rewrites: int

    def __post_init__(self) -> None:
        if self.mutations < 1:
            raise ConfigError(f"mutations-per-problem is {self.mutations}; it must be at least 1")
        if self.rewrites < 0:
            raise ConfigError(f"rewrites is {self.rewrites}; it must be at least 0")


class Injected(Record):
    """What came of one problem: its pairs, their true regions and the counts."""

    pairs: tuple[PreferencePair, ...]
    spans: tuple[FocalSpans, ...]
    counts: dict[str, int]


@dataclass(frozen=True)
class _Bug:
    """A mutant of a problem's reference; `plain` is the reference in the form that mutants have."""

    problem: Problem
    plain: str
    mutant: Mutant
    task_id: str


def inject_bugs(
    problems: Path, out: Path, spans: Path, executor: Engine, options: InjectionOptions
) -> dict[str, float]:
    """Write pairs with injected bugs and their true regions.

    Both files appear whole. A run that was interrupted goes on where it stopped, if problems, options, limits,
    isolation and code are the same: until then a hidden file beside `out` holds what is done.

    Args:
        problems: JSONL of problems with references and tests.
        out: JSONL of pairs to write, several to a problem: `<task_id>#<number of the mutant>`.
        spans: JSONL of FocalSpans to write, one for each pair: in `rejected` the lines that were changed. `chosen` has
            their counterpart, and nothing where rewrites made it unknown.
        executor: runs references and mutants, with hidden tests.
        options: which bugs.

    Returns:
        `problems` read, `pairs` written, `mutants` tried, `mutants/<fate>` for each `Fate`, `killed/<verdict>`, and
        `dropped/<reason>` for problems that gave none.

    Raises:
        RecordError: a line is broken.
        InputError: no pair can be made.
        ExecutionError: the engine failed.
    """
    total = sum(1 for _ in read_jsonl(problems, Problem, unique=True))
    code = code_digest(*(f"iterpref_core.{name}" for name in ("execution", "problems", "source_code")))
    identity = digest(f"{options} {executor.limits} {executor.isolation} {code}")
    with RunStore(out.with_name(f".{out.name}.unfinished.sqlite"), identity) as store:
        done = sum(_key(problem) in store for problem in read_jsonl(problems, Problem))
        rest = (problem for problem in read_jsonl(problems, Problem) if _key(problem) not in store)
        with show_progress("inject", total, done=done, unit="problems") as advance:
            while batch := list(islice(rest, _BATCH)):
                for problem, found in zip(batch, _inject_batch(batch, executor, options), strict=True):
                    store[_key(problem)] = found.model_dump(mode="json")
                    advance()
        counts = Counter({"problems": total, "pairs": 0, "mutants": 0})
        with atomic_writers(out, spans) as (pairs_file, spans_file):
            assert pairs_file is not None
            assert spans_file is not None
            for problem in read_jsonl(problems, Problem):
                found = Injected.model_validate(store[_key(problem)])
                counts.update({**found.counts, "pairs": len(found.pairs)})
                pairs_file.writelines(pair.to_json() + "\n" for pair in found.pairs)
                spans_file.writelines(region.to_json() + "\n" for region in found.spans)
            if not counts["pairs"]:
                store.remove()
                shown = ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "it is empty"
                raise InputError(f"{problems}: no bug that the tests catch ({shown}); give problems with references")
        store.remove()
    return {name: float(count) for name, count in counts.items()}


def _key(problem: Problem) -> str:
    return digest(problem.to_json())


def _inject_batch(batch: list[Problem], executor: Engine, options: InjectionOptions) -> list[Injected]:
    """What comes of each problem; references run first, then the mutants of those that pass, then rewrites."""
    counts: dict[str, Counter[str]] = {problem.task_id: Counter() for problem in batch}
    bugs: list[_Bug] = []
    sound = _sound_references(batch, executor, counts)
    for problem in batch:
        if problem.task_id in sound:
            bugs += _bugs(problem, options, counts[problem.task_id])

    def mutants() -> Iterator[Program]:
        for bug in bugs:
            limit_s = time_limit(MUTANT_FLOOR_S, sound[bug.problem.task_id].cpu_s)
            yield _program(bug.problem, bug.mutant.code, min(executor.limits.cpu_s, limit_s))

    killed: list[_Bug] = []
    for bug, outcome in zip(bugs, executor.run(mutants()), strict=True):
        count, fate = counts[bug.problem.task_id], _fate(bug, outcome)
        if fate == "killed":
            count[f"killed/{outcome.verdict}"] += 1
            killed.append(bug)
        else:
            count[f"mutants/{fate}"] += 1
    pairs = _pairs(killed, executor, options, counts)
    return [
        Injected(
            pairs=tuple(pair for bug, pair in pairs if bug.problem is problem),
            spans=tuple(_true_region(bug, pair) for bug, pair in pairs if bug.problem is problem),
            counts=dict(counts[problem.task_id]),
        )
        for problem in batch
    ]


def _program(problem: Problem, code: str, cpu_s: float | None = None) -> Program:
    return replace(program_of(problem, Sample(task_id=problem.task_id, solution=code)), cpu_s=cpu_s)


def _sound_references(batch: list[Problem], executor: Engine, counts: dict[str, Counter[str]]) -> dict[str, Outcome]:
    """The outcomes of the references that pass in the form that mutants have; the others are counted."""
    runnable: list[tuple[Problem, str]] = []
    for problem in batch:
        plain = _plain(problem)
        if plain in ("no_reference", "no_tests", "not_parsable"):
            counts[problem.task_id][f"dropped/{plain}"] += 1
        else:
            runnable.append((problem, plain))
    outcomes = executor.run(_program(problem, plain) for problem, plain in runnable)
    sound = {}
    for (problem, _), outcome in zip(runnable, outcomes, strict=True):
        if outcome.verdict == "passed":
            sound[problem.task_id] = outcome
        else:
            reason: Reason = "reference_not_run" if outcome.verdict == "infra_error" else "reference_fails"
            counts[problem.task_id][f"dropped/{reason}"] += 1
    return sound


def _plain(problem: Problem) -> str:
    """The reference as `ast.unparse` writes it, or the reason why there is none."""
    if problem.reference is None:
        return "no_reference"
    if not problem.tests + problem.hidden_tests:
        return "no_tests"
    try:
        return ast.unparse(ast.parse(problem.reference)) + "\n"
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return "not_parsable"


def _bugs(problem: Problem, options: InjectionOptions, counts: Counter[str]) -> list[_Bug]:
    mutants = mutants_of(problem.reference or "", options.mutations, f"{options.seed} {problem.task_id}")
    counts["mutants"] += len(mutants)
    if not mutants:
        counts["dropped/nothing_to_mutate"] += 1
    plain = _plain(problem)
    return [_Bug(problem, plain, mutant, f"{problem.task_id}#{number}") for number, mutant in enumerate(mutants)]


def _fate(bug: _Bug, outcome: Outcome) -> Fate:
    if outcome.verdict == "passed":
        return "equivalent"
    if outcome.verdict == "infra_error":
        return "not_run"
    wrong = diff_lines(bug.mutant.code, bug.plain).rejected
    return "killed" if span_lines(bug.mutant.code, wrong) else "no_region"


def _pairs(
    killed: list[_Bug], executor: Engine, options: InjectionOptions, counts: dict[str, Counter[str]]
) -> list[tuple[_Bug, PreferencePair]]:
    """The pairs of mutants that fail; a rewritten reference has to pass too."""
    chosen = [bug.plain for bug in killed]
    passing = [True] * len(killed)
    if options.rewrites:
        seeds = (f"{options.seed} {bug.task_id}" for bug in killed)
        chosen = [rewrite(bug.plain, seed, options.rewrites) for bug, seed in zip(killed, seeds, strict=True)]
        programs = (_program(bug.problem, code) for bug, code in zip(killed, chosen, strict=True))
        passing = [outcome.verdict == "passed" for outcome in executor.run(programs)]
    found = []
    for bug, code, passes in zip(killed, chosen, passing, strict=True):
        fate: Fate = "killed" if passes else "rewrite_fails"
        counts[bug.problem.task_id][f"mutants/{fate}"] += 1
        if passes:
            pair = PreferencePair(task_id=bug.task_id, prompt=bug.problem.prompt, chosen=code, rejected=bug.mutant.code)
            found.append((bug, pair))
    return found


def _true_region(bug: _Bug, pair: PreferencePair) -> FocalSpans:
    """One node of the tree differs, so one run of lines does: what the LCS leaves over is exactly that."""
    changed = diff_lines(pair.rejected, bug.plain)
    return FocalSpans(
        task_id=bug.task_id,
        method=METHOD,
        rejected=span_lines(pair.rejected, changed.rejected),
        chosen=span_lines(bug.plain, changed.chosen) if pair.chosen == bug.plain else (),
    )
