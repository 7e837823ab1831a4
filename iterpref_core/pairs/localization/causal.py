"""Causal localization by execution: D- is the lines that had to change for the tests to pass.

A fix does more than fix: it renames, reorders, documents. This search applies some hunks of the edit to the failing
program, runs the tests, and keeps a smallest set of hunks that makes them pass. The search is delta debugging (Zeller
and Hildebrandt 2002, "Simplifying and isolating failure-inducing input", ddmin), applied to the cure instead of the
disease. The set is 1-minimal: without any one of its hunks the tests fail.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path

from iterpref_core.execution import Engine, decide, make_program, open_executor
from iterpref_core.pairs.localization.hunks import Hunk, apply_hunks, find_hunks, undo_renames
from iterpref_core.programs.source_code.line_diff import ErrorRegion, anchor_lines, span_lines
from iterpref_core.records import PreferencePair, Problem
from iterpref_core.records.config import ExecutionParams
from iterpref_core.records.errors import InputError
from iterpref_core.storage.jsonl import read_jsonl, read_pairs

MAX_EXECUTIONS = 64
"""Programs to run for a pair, at most."""


@dataclass(frozen=True)
class Cause:
    """The error region of a pair, found by running its problem's tests.

    Attributes:
        region: the error region, empty if the pair cannot be used.
        executions: the number of programs that were run.
        exhausted: True if the budget ended the search before the set of hunks was minimal.
        unusable: `chosen_fails` or `rejected_passes` if the tests do not tell the programs apart, else empty.
    """

    region: ErrorRegion
    executions: int
    exhausted: bool = False
    unusable: str = ""


@dataclass
class _Trials:
    """A memory of the programs that were run with a problem's visible tests, so that none runs twice.

    Hidden tests are for scoring alone.
    """

    problem: Problem
    executor: Engine
    known: dict[str, bool] = field(default_factory=dict)

    def passes(self, code: str) -> bool:
        if code not in self.known:
            program = make_program(self.problem, code, self.problem.tests)
            outcome = self.executor.run_one(program)
            self.known[code] = outcome.verdict == "passed"
        return self.known[code]


def locate_causes(
    pairs: Path,
    problems: Path,
    execution: ExecutionParams,
    counts: Counter[str],
) -> Iterator[tuple[PreferencePair, ErrorRegion]]:
    """Yield the pairs that the tests tell apart, with their error regions.

    Args:
        pairs: pairs of any origin.
        problems: problems of the same ids, whose visible tests decide.
        execution: the parameters of running them.
        counts: numbers of events, by the names of the metrics.

    Raises:
        InputError: a pair's problem is not there or has no tests.
    """
    reported = ("executions", "exhausted", "dropped/chosen_fails", "dropped/rejected_passes")
    counts.update(dict.fromkeys(reported, 0))
    with open_executor(execution) as executor:

        def search(item: tuple[PreferencePair, Problem]) -> Cause:
            pair, problem = item
            return find_cause(pair, decide(problem, executor), executor)

        for (pair, _), cause in executor.each(_with_tests(pairs, problems), search):
            counts["executions"] += cause.executions
            counts["exhausted"] += cause.exhausted
            if cause.unusable:
                counts[f"dropped/{cause.unusable}"] += 1
            else:
                yield pair, cause.region


def _with_tests(pairs: Path, problems: Path) -> Iterator[tuple[PreferencePair, Problem]]:
    known = {problem.task_id: problem for problem in read_jsonl(problems, Problem, unique=True)}
    for pair in read_pairs(pairs):
        problem = known.get(pair.task_id) or known.get(pair.problem)
        if problem is None or not problem.tests:
            fault = "is not there" if problem is None else "has no tests"
            raise InputError(
                f"{problems}: the problem of pair {pair.task_id!r} {fault}; method causal needs the tests of every "
                "pair, the other methods need none"
            )
        yield pair, problem


def find_cause(
    pair: PreferencePair,
    problem: Problem,
    executor: Engine,
    max_executions: int = MAX_EXECUTIONS,
) -> Cause:
    """Find the part of a pair's edit that its tests need. Blocks; may be called from any thread.

    Args:
        pair: a failing and a passing program.
        problem: the problem whose visible tests decide.
        executor: the engine that runs the programs.
        max_executions: the largest number of programs to run. The edit as a whole always passes, so that a search may
            end at any time.
    """
    trials = _Trials(problem, executor)
    chosen, unusable = _usable_fix(pair, trials)
    if unusable:
        return Cause(
            region=ErrorRegion((), ()),
            executions=len(trials.known),
            unusable=unusable,
        )
    needed, exhausted = _minimize(pair.rejected, chosen, trials, max_executions)
    return Cause(
        region=_region(pair, needed),
        executions=len(trials.known),
        exhausted=exhausted,
    )


def _usable_fix(pair: PreferencePair, trials: _Trials) -> tuple[str, str]:
    """Return the passing program, without its renamings if it passes so, and the reason why the pair cannot be used."""
    if not trials.passes(pair.chosen):
        return pair.chosen, "chosen_fails"
    if trials.passes(pair.rejected):
        return pair.chosen, "rejected_passes"
    chosen = undo_renames(pair.rejected, pair.chosen)
    if not trials.passes(chosen):
        chosen = pair.chosen
    # Put together from its hunks, the program may differ from `chosen` in the ends of its lines.
    hunks = find_hunks(pair.rejected, chosen)
    whole_edit = apply_hunks(pair.rejected, chosen, hunks)
    if not trials.passes(whole_edit):
        return chosen, "chosen_fails"
    return chosen, ""


def _minimize(
    rejected: str,
    chosen: str,
    trials: _Trials,
    max_executions: int,
) -> tuple[list[Hunk], bool]:
    """Return hunks that make the tests pass, 1-minimal unless the budget ends (ddmin), and True if the budget ended."""
    # With hunks 1 2 3 4 of which the tests need 3 alone:
    #   2 parts: [1 2] fails, [3 4] passes -> keep 3 4
    #   2 parts: [3] passes               -> keep 3, the end
    # Had the tests needed 1 and 3: [1 2] fails, [3 4] fails, so 4 parts: each alone fails; then each rest, that is all
    # but one part: [2 3 4] fails, [1 3 4] passes -> keep 1 3 4, and go on with 3 parts.
    kept = list(find_hunks(rejected, chosen))
    parts = 2
    while len(kept) > 1:
        size = ceil(len(kept) / parts)
        chunks = [kept[start : start + size] for start in range(0, len(kept), size)]
        rests = []
        if len(chunks) > 2:
            for chunk in chunks:
                rests.append([hunk for hunk in kept if hunk not in chunk])
        for subset in [*chunks, *rests]:
            if len(trials.known) >= max_executions:
                return kept, True
            if trials.passes(apply_hunks(rejected, chosen, subset)):
                if subset in chunks:
                    parts = 2
                else:
                    parts = max(len(chunks) - 1, 2)
                kept = subset
                break
        else:
            if len(chunks) == len(kept):
                break
            parts = min(2 * len(chunks), len(kept))
    return kept, False


def _region(pair: PreferencePair, needed: Sequence[Hunk]) -> ErrorRegion:
    """Return the spans of the hunks' lines; a hunk that only inserts is anchored at the line in its place."""
    old_lines: set[int] = set()
    new_lines: set[int] = set()
    insertions = []
    for hunk in needed:
        old_lines.update(hunk.old)
        new_lines.update(hunk.new)
        if not span_lines(pair.rejected, hunk.old):
            insertions.append(hunk.old.start)
    return ErrorRegion(
        rejected=span_lines(pair.rejected, sorted(old_lines)),
        chosen=span_lines(pair.chosen, sorted(new_lines)),
        anchors=anchor_lines(pair.rejected, insertions),
    )
