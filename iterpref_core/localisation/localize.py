"""Stage `focal`: pairs in, error spans out."""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from iterpref_core.config import FocalParams
from iterpref_core.jsonl import read_pairs, write_jsonl
from iterpref_core.line_diff import split_lines
from iterpref_core.localisation.line_lcs import anchor_insertions, find_error_region
from iterpref_core.records import FocalSpans, PreferencePair


def localize_pairs(pairs: Path, params: FocalParams, out: Path) -> dict[str, float]:
    """Write the error spans of every pair, in order; streaming.

    A fix that only inserts lines leaves D- without text. `params.empty` decides about such a pair:
    `anchor` marks the line where the insertion belongs (`line_lcs.anchor_insertions`), `keep` writes no spans, so that
    K- is 0, and `drop` leaves the pair out. Pairs left out have no record in `out` and take no part in training.

    Args:
        pairs: anybody's pairs; only prompt, chosen and rejected are needed.
        params: method and policy.
        out: where the FocalSpans records go; written whole or not at all.

    Returns:
        `pairs` written; `empty`: pairs whose D- has no text; `anchored` of these; `dropped/empty`, by policy `drop`;
        `dropped/no_anchor`: policy `anchor` found no line, because the texts differ in blank lines at most or the
        failing program has no text; `focal_line_share`: share of the written pairs' failing lines with text that lie
        in a span.

    Raises:
        RecordError: a line of the file is no pair.
    """
    counts: Counter[str] = Counter()
    written = write_jsonl(out, _localize(read_pairs(pairs), params, counts))
    return {
        "pairs": written,
        "empty": counts["empty"],
        "anchored": counts["anchored"],
        "dropped/empty": counts["dropped/empty"],
        "dropped/no_anchor": counts["dropped/no_anchor"],
        "focal_line_share": counts["focal_lines"] / max(counts["lines"], 1),
    }


def _localize(pairs: Iterable[PreferencePair], params: FocalParams, counts: Counter[str]) -> Iterator[FocalSpans]:
    for pair in pairs:
        region = find_error_region(pair.rejected, pair.chosen)
        rejected = region.rejected
        if not rejected:
            counts["empty"] += 1
            if params.empty == "drop":
                counts["dropped/empty"] += 1
                continue
            if params.empty == "anchor":
                rejected = anchor_insertions(pair.rejected, pair.chosen)
                if not rejected:
                    counts["dropped/no_anchor"] += 1
                    continue
                counts["anchored"] += 1
        counts["focal_lines"] += sum(_lines_with_text(pair.rejected[start:end]) for start, end in rejected)
        counts["lines"] += _lines_with_text(pair.rejected)
        yield FocalSpans(task_id=pair.task_id, method=params.method, rejected=rejected, chosen=region.chosen)


def _lines_with_text(text: str) -> int:
    return sum(bool(line.strip()) for line in split_lines(text))
