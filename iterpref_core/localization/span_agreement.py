"""Span agreement: precision and recall of marked regions against the true ones, where these are known."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from iterpref_core.errors import InputError
from iterpref_core.records import FocalSpans, Span, line_spans
from iterpref_core.storage.jsonl import check_spans, read_jsonl, read_pairs


@dataclass
class SpanCounts:
    """Sums over pairs: units (lines, or characters) marked, truly wrong, and both."""

    pairs: int = 0
    marked: int = 0
    wrong: int = 0
    both: int = 0
    exact: int = 0

    def add(self, marked: set[int], wrong: set[int]) -> None:
        """Count one pair."""
        self.pairs += 1
        self.marked += len(marked)
        self.wrong += len(wrong)
        self.both += len(marked & wrong)
        self.exact += marked == wrong

    @property
    def precision(self) -> float:
        """Share of what is marked that is wrong, over all pairs together."""
        return self.both / max(self.marked, 1)

    @property
    def recall(self) -> float:
        """Share of what is wrong that is marked, over all pairs together."""
        return self.both / max(self.wrong, 1)


def lines_in(text: str, spans: Iterable[Span]) -> set[int]:
    """The lines with text, from 0, that share a character with a span."""
    regions = list(spans)
    return {
        number
        for number, (start, end) in enumerate(line_spans(text))
        if text[start:end].strip() and any(max(start, first) < min(end, last) for first, last in regions)
    }


def characters_in(text: str, spans: Iterable[Span]) -> set[int]:
    """The offsets of the visible characters in the spans."""
    return {place for start, end in spans for place in range(start, end) if not text[place : place + 1].isspace()}


def compare_spans(pairs: Path, spans: Path, truth: Path) -> dict[str, float]:
    """Compare the error regions of one file with those of another that are known to be true.

    Args:
        pairs: JSONL of the pairs.
        spans: JSONL of FocalSpans to be judged.
        truth: JSONL of the true FocalSpans.

    Returns:
        `pairs` compared; `missing`: pairs with a true region and none in `spans`, which count as not marked at all;
        `lines/precision`, `lines/recall`, `lines/exact` (share of pairs with exactly the true lines), and
        `characters/precision`, `characters/recall` without blanks.

    Raises:
        RecordError: a line of a file is broken, or a span lies outside of its program.
        InputError: `spans` are of a pair that is not there, or no pair has a true region.
    """
    found, true = (
        {item.task_id: item for item in read_jsonl(path, FocalSpans, unique=True)} for path in (spans, truth)
    )
    others = set(found)
    lines, characters, missing = SpanCounts(), SpanCounts(), 0
    for pair in read_pairs(pairs):
        others.discard(pair.task_id)
        for path, regions in ((spans, found), (truth, true)):
            if pair.task_id in regions:
                check_spans(regions[pair.task_id], pair, path)
        if pair.task_id not in true:
            continue
        missing += pair.task_id not in found
        marked = found[pair.task_id].rejected if pair.task_id in found else ()
        wrong = true[pair.task_id].rejected
        lines.add(lines_in(pair.rejected, marked), lines_in(pair.rejected, wrong))
        characters.add(characters_in(pair.rejected, marked), characters_in(pair.rejected, wrong))
    if others:
        raise InputError(f"{spans}: {min(others)!r} is not a pair of {pairs}; give the spans of these pairs")
    if not lines.pairs:
        raise InputError(f"{truth}: has the region of no pair of {pairs}; give the spans that `iterpref inject` wrote")
    return {
        "pairs": lines.pairs,
        "missing": missing,
        "lines/precision": lines.precision,
        "lines/recall": lines.recall,
        "lines/exact": lines.exact / lines.pairs,
        "characters/precision": characters.precision,
        "characters/recall": characters.recall,
    }
