"""Causal localization by execution: D- is the lines that had to change for the tests to pass.

A fix does more than fix: it renames, reorders, documents. From the failing program, hunks of the edit that leads to the
passing one are applied, the tests are run, and a smallest set of hunks that makes them pass is kept: delta debugging
(Zeller and Hildebrandt 2002, "Simplifying and isolating failure-inducing input", ddmin), here on the cure instead of
the disease. The set is 1-minimal: without any one of its hunks the tests fail.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from iterpref_core.execution import Engine, Program
from iterpref_core.localization.hunks import Hunk, apply_hunks, find_hunks, undo_renames
from iterpref_core.localization.line_lcs import ErrorRegion, anchor_lines
from iterpref_core.records import PreferencePair, Problem
from iterpref_core.source_code.line_diff import span_lines


@dataclass(frozen=True)
class Cause:
    """What the tests proved wrong.

    Attributes:
        region: empty where the pair cannot be used.
        executions: programs that were run.
        exhausted: the budget ended the search before the set was minimal.
        unusable: `chosen_fails` or `rejected_passes`, if the tests do not tell the programs apart.
    """

    region: ErrorRegion
    executions: int
    exhausted: bool = False
    unusable: str = ""


@dataclass
class _Trials:
    """Programs that were run with a problem's visible tests (the hidden ones are for scoring alone), none twice."""

    problem: Problem
    executor: Engine
    known: dict[str, bool] = field(default_factory=dict)

    def passes(self, code: str) -> bool:
        if code not in self.known:
            outcome = self.executor.run_one(Program(code, self.problem.tests, self.problem.setup or ""))
            self.known[code] = outcome.verdict == "passed"
        return self.known[code]


def find_cause(pair: PreferencePair, problem: Problem, executor: Engine, max_executions: int) -> Cause:
    """What of a pair's difference the tests need. Blocks; may be called from any thread.

    Args:
        pair: a failing and a passing program.
        problem: its tests decide.
        executor: runs the programs.
        max_executions: programs at most. The edit as a whole always passes, so that a search may end at any time.
    """
    trials = _Trials(problem, executor)
    chosen = undo_renames(pair.rejected, pair.chosen)
    unusable = ""
    if not trials.passes(pair.chosen):
        unusable = "chosen_fails"
    elif trials.passes(pair.rejected):
        unusable = "rejected_passes"
    else:
        chosen = chosen if trials.passes(chosen) else pair.chosen
        if not trials.passes(apply_hunks(pair.rejected, chosen, find_hunks(pair.rejected, chosen))):
            unusable = "chosen_fails"
    if unusable:
        return Cause(ErrorRegion((), ()), len(trials.known), unusable=unusable)
    needed, exhausted = _minimize(pair.rejected, chosen, trials, max_executions)
    return Cause(_region(pair, needed), len(trials.known), exhausted)


def _minimize(rejected: str, chosen: str, trials: _Trials, max_executions: int) -> tuple[list[Hunk], bool]:
    """ddmin: a subset of the hunks that passes, 1-minimal unless the budget ends; and whether that was so."""
    kept, parts = list(find_hunks(rejected, chosen)), 2
    while len(kept) > 1:
        size = -(-len(kept) // parts)
        chunks = [kept[start : start + size] for start in range(0, len(kept), size)]
        rests = [[hunk for hunk in kept if hunk not in chunk] for chunk in chunks]
        for subset in [*chunks, *(rests if len(chunks) > 2 else [])]:
            if len(trials.known) >= max_executions:
                return kept, True
            if trials.passes(apply_hunks(rejected, chosen, subset)):
                parts = 2 if subset in chunks else max(len(chunks) - 1, 2)
                kept = subset
                break
        else:
            if len(chunks) == len(kept):
                break
            parts = min(2 * len(chunks), len(kept))
    return kept, False


def _region(pair: PreferencePair, needed: Sequence[Hunk]) -> ErrorRegion:
    """Spans of the hunks' lines; anchors for hunks that only insert, by the line that stands in their place."""
    old = sorted({line for hunk in needed for line in hunk.old})
    new = sorted({line for hunk in needed for line in hunk.new})
    insertions = [hunk.old.start for hunk in needed if not span_lines(pair.rejected, hunk.old)]
    return ErrorRegion(
        span_lines(pair.rejected, old), span_lines(pair.chosen, new), anchor_lines(pair.rejected, insertions)
    )
