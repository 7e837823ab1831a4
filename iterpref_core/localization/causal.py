"""Causal localization by execution: D- is the lines that had to change for the tests to pass.

A fix does more than fix: it renames, reorders, documents. From the failing program, hunks of the edit that leads to the
passing one are applied, the tests are run, and a smallest set of hunks that makes them pass is kept: delta debugging
(Zeller and Hildebrandt 2002, "Simplifying and isolating failure-inducing input", ddmin), here on the cure instead of
the disease. The set is 1-minimal: without any one of its hunks the tests fail.
"""

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass

from iterpref_core.execution import Engine, Program
from iterpref_core.localization.hunks import Hunk, apply_hunks, find_hunks, undo_renames
from iterpref_core.localization.line_lcs import ErrorRegion, anchor_at
from iterpref_core.records import PreferencePair, Problem, Span
from iterpref_core.source_code.line_diff import span_lines

Search = Generator[str, bool, "Cause"]
"""Yields programs to run, and is sent whether they pass."""


@dataclass(frozen=True)
class Cause:
    """What the tests proved wrong.

    Attributes:
        region: D- and D+ as spans; both empty where the pair cannot be used.
        anchors: for hunks that only insert, the line of the failing program that stands in their place.
        executions: programs that were run.
        exhausted: the budget ended the search before the set was minimal.
        unusable: `chosen_fails` or `rejected_passes`, if the tests do not tell the programs apart.
    """

    region: ErrorRegion
    anchors: tuple[Span, ...]
    executions: int
    exhausted: bool = False
    unusable: str = ""


@dataclass
class _Budget:
    """Executions of one search, and what they showed."""

    limit: int
    spent: int = 0

    def __post_init__(self) -> None:
        self._known: dict[str, bool] = {}

    def ask(self, code: str) -> Generator[str, bool, bool]:
        """Whether a program passes; never runs the same text twice."""
        if code not in self._known:
            self.spent += 1
            self._known[code] = yield code
        return self._known[code]

    @property
    def exhausted(self) -> bool:
        return self.spent >= self.limit


def search_cause(pair: PreferencePair, max_executions: int) -> Search:
    """The search for one pair, as a coroutine."""
    budget = _Budget(max_executions)
    nothing = ErrorRegion((), ())
    if not (yield from budget.ask(pair.chosen)):
        return Cause(nothing, (), budget.spent, unusable="chosen_fails")
    if (yield from budget.ask(pair.rejected)):
        return Cause(nothing, (), budget.spent, unusable="rejected_passes")
    chosen = undo_renames(pair.rejected, pair.chosen)
    if not (yield from budget.ask(chosen)):
        chosen = pair.chosen
    hunks = find_hunks(pair.rejected, chosen)
    if not (yield from budget.ask(apply_hunks(pair.rejected, chosen, hunks))):
        return Cause(nothing, (), budget.spent, unusable="chosen_fails")
    needed, exhausted = yield from _minimize(pair.rejected, chosen, hunks, budget)
    return Cause(*_regions(pair, needed), budget.spent, exhausted)


def _minimize(
    rejected: str, chosen: str, hunks: Sequence[Hunk], budget: _Budget
) -> Generator[str, bool, tuple[list[Hunk], bool]]:
    """ddmin: a subset of the hunks that passes, 1-minimal unless the budget ends."""
    kept, parts = list(hunks), 2
    while len(kept) > 1:
        size = -(-len(kept) // parts)
        chunks = [kept[start : start + size] for start in range(0, len(kept), size)]
        rests = [[hunk for hunk in kept if hunk not in chunk] for chunk in chunks]
        for subset in [*chunks, *(rests if len(chunks) > 2 else [])]:
            if budget.exhausted:
                return kept, True
            if (yield from budget.ask(apply_hunks(rejected, chosen, subset))):
                parts = 2 if subset in chunks else max(len(chunks) - 1, 2)
                kept = subset
                break
        else:
            if len(chunks) == len(kept):
                break
            parts = min(2 * len(chunks), len(kept))
    return kept, False


def _regions(pair: PreferencePair, needed: Sequence[Hunk]) -> tuple[ErrorRegion, tuple[Span, ...]]:
    """Spans of the hunks' lines; and of the lines that stand where hunks without text of their own insert some."""
    old = sorted({line for hunk in needed for line in hunk.old})
    new = sorted({line for hunk in needed for line in hunk.new})
    region = ErrorRegion(span_lines(pair.rejected, old), span_lines(pair.chosen, new))
    insertions = [hunk.old.start for hunk in needed if not span_lines(pair.rejected, hunk.old)]
    return region, anchor_at(pair.rejected, insertions)


def find_causes(
    pairs: Iterable[tuple[PreferencePair, Problem]], executor: Engine, max_executions: int
) -> Iterator[tuple[PreferencePair, Cause]]:
    """The cause of every pair, in order.

    Args:
        pairs: pairs with the problems whose tests decide.
        executor: runs the programs.
        max_executions: per pair. The edit as a whole always passes, so that a search may end at any time.
    """

    def search(item: tuple[PreferencePair, Problem]) -> Cause:
        pair, problem = item
        steps = search_cause(pair, max_executions)
        code = next(steps)
        try:
            while True:
                code = steps.send(executor.run_one(_program(problem, code)).verdict == "passed")
        except StopIteration as end:
            cause: Cause = end.value
            return cause

    for (pair, _), cause in executor.each(pairs, search):
        yield pair, cause


def _program(problem: Problem, code: str) -> Program:
    """A version with the visible tests: the hidden ones are for scoring alone."""
    return Program(code, problem.tests, problem.setup or "")
