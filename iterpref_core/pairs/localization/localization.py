"""Stage `localization`: pairs in, error spans out."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from random import Random

from iterpref_core.pairs.localization import line_lcs, prefix_suffix, token_lcs
from iterpref_core.pairs.localization.line_lcs import ErrorRegion
from iterpref_core.programs.source_code.line_diff import span_lines
from iterpref_core.programs.source_code.lines import line_spans
from iterpref_core.records import FocalSpans, PreferencePair, Problem, Span
from iterpref_core.records.config import ExecutionParams, LocalizationMethod, LocalizationParams
from iterpref_core.records.errors import InputError
from iterpref_core.storage.jsonl import read_jsonl, read_pairs, write_jsonl

Localizer = Callable[[str, str], ErrorRegion]
"""(failing program, passing program) -> the error region."""

_WIDENING_SEED = 13
"""Decides how far each region is widened."""

ON_TEXT: dict[LocalizationMethod, Localizer] = {
    "line_lcs": line_lcs.locate_error,
    "prefix_suffix": prefix_suffix.locate_error,
    "token": token_lcs.locate_error,
}
"""The methods that look at the two programs alone. `causal` runs them."""


def localize_pairs(
    pairs: Path,
    params: LocalizationParams,
    out: Path,
    problems: Path | None = None,
    execution: ExecutionParams | None = None,
) -> dict[str, float]:
    """Write the error spans of every pair, in order; streaming.

    A fix that only inserts leaves D- without text. `params.empty` decides about such a pair: `anchor` marks the place
    of the insertion (`ErrorRegion.anchors`), `keep` writes no spans, so that K- is 0, and `drop` leaves the pair out.
    Pairs left out have no record in `out` and take no part in training. With `params.widen_lines` each region takes in
    lines around it (`widen_spans`).

    Args:
        pairs: pairs of any origin; only prompt, chosen and rejected are needed.
        params: the method and the policy.
        out: the file for the FocalSpans records, written whole or not at all.
        problems: problems of the same ids, whose visible tests `causal` runs.
        execution: the parameters of running them.

    Returns:
        Counts by name. `pairs`: written. `empty`: D- has no text. `anchored`: of these, the anchored ones.
        `dropped/empty`: left out by policy `drop`. `dropped/no_anchor`: policy `anchor` found no line, because the
        texts differ in blank lines at most, or the failing program has no text. `focal_line_share`: the share of the
        written pairs' failing lines with text that lie in a span. With `causal` also `executions`; `exhausted`,
        searches that the budget ended; and `dropped/chosen_fails` and `dropped/rejected_passes`, pairs that the tests
        do not tell apart.

    Raises:
        RecordError: a line of a file is broken.
        InputError: `causal` lacks problems, or a pair's problem is not there or has no tests.
    """
    counts: Counter[str] = Counter()
    if params.method == "causal":
        reported = ("executions", "exhausted", "dropped/chosen_fails", "dropped/rejected_passes")
        counts.update(dict.fromkeys(reported, 0))
        located = _by_execution(pairs, problems, execution, params, counts)
    else:
        locate = ON_TEXT[params.method]
        located = ((pair, locate(pair.rejected, pair.chosen)) for pair in read_pairs(pairs))
    written = write_jsonl(out, apply_policy(located, params, counts))
    # `apply_policy` has counted these two for the share.
    lines = counts.pop("lines", 0)
    focal_lines = counts.pop("focal_lines", 0)
    reported_always = dict.fromkeys(("empty", "anchored", "dropped/empty", "dropped/no_anchor"), 0.0)
    return {
        "pairs": written,
        **reported_always,
        **counts,
        "focal_line_share": focal_lines / max(lines, 1),
    }


def _by_execution(
    pairs: Path,
    problems: Path | None,
    execution: ExecutionParams | None,
    params: LocalizationParams,
    counts: Counter[str],
) -> Iterator[tuple[PreferencePair, ErrorRegion]]:
    from iterpref_core.execution import decide, open_executor
    from iterpref_core.pairs.localization.causal import Cause, find_cause

    if problems is None or execution is None:
        raise InputError("method causal runs the problems' tests; give --problems")
    with open_executor(execution) as executor:

        def search(item: tuple[PreferencePair, Problem]) -> Cause:
            pair, problem = item
            return find_cause(pair, decide(problem, executor), executor, params.max_executions)

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


def apply_policy(
    located: Iterable[tuple[PreferencePair, ErrorRegion]],
    params: LocalizationParams,
    counts: Counter[str],
) -> Iterator[FocalSpans]:
    """Yield the spans of pairs, as `params.empty` and `params.widen_lines` have them; what they do is counted.

    Args:
        located: pairs with their error regions.
        params: the policy.
        counts: of what was done, by the names that `localize_pairs` returns.
    """
    for pair, region in located:
        rejected = region.rejected
        if not rejected:
            counts["empty"] += 1
            if params.empty == "drop":
                counts["dropped/empty"] += 1
                continue
            if params.empty == "anchor":
                if not region.anchors:
                    counts["dropped/no_anchor"] += 1
                    continue
                rejected = region.anchors
                counts["anchored"] += 1
        if params.widen_lines:
            # The widths are drawn here, once for each pair: the region is data, the same in every epoch and for every
            # objective.
            random = Random(f"{_WIDENING_SEED}/{pair.task_id}")
            rejected = widen_spans(pair.rejected, rejected, params.widen_lines, random)
        counts["focal_lines"] += _lines_in(pair.rejected, rejected)
        counts["lines"] += _lines_in(pair.rejected, ((0, len(pair.rejected)),))
        yield FocalSpans(
            task_id=pair.task_id,
            method=params.method,
            rejected=rejected,
            chosen=region.chosen,
        )


def _lines_in(text: str, spans: Iterable[Span]) -> int:
    """Return the number of lines with text that share such text with a span; several spans of a line count once."""
    lines = set()
    for start, end in spans:
        for first, last in line_spans(text):
            if text[max(start, first) : min(end, last)].strip():
                lines.add(first)
    return len(lines)


def widen_spans(
    text: str,
    spans: tuple[Span, ...],
    max_lines: int,
    random: Random,
) -> tuple[Span, ...]:
    r"""Add 1 to `max_lines` lines before each span, and after it: Diff-Augmentation, an ablation of the paper.

    Args:
        text: the failing program.
        spans: its error region.
        max_lines: the largest number of lines to add on one side, at least 1.
        random: draws the numbers of lines.

    Returns:
        Spans of whole lines, by the rules of `line_diff`.

    >>> text = "a = 1\nb = 2\nc = 3\nd = 4\n"
    >>> [text[start:end] for start, end in widen_spans(text, ((12, 17),), 1, Random(0))]
    ['b = 2\nc = 3\nd = 4']
    """
    starts = [start for start, _ in line_spans(text)]
    lines: set[int] = set()
    for start, end in spans:
        last_character = max(start, end - 1)
        first_line = bisect_right(starts, start) - 1
        last_line = bisect_right(starts, last_character) - 1
        before = random.randint(1, max_lines)
        after = random.randint(1, max_lines)
        widened_start = max(first_line - before, 0)
        widened_end = min(last_line + after + 1, len(starts))
        lines.update(range(widened_start, widened_end))
    return span_lines(text, sorted(lines))
