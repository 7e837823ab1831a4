"""Describe what other ways in make of a file of pairs: ingestion, and `pairs/` of a checkout."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from iterpref_core.problems.ingestion.intake import Wanted
from iterpref_core.records import InputError

from ..selection.filters import FILTERS
from .preference_pairs import ingest_pairs


def ways_in(pairs: Path, rows: int, counts: Mapping[str, int]) -> Iterator[str]:
    """Yield what becomes of a file's rows by other ways than `train`, which takes them as they are.

    Args:
        pairs: the file.
        rows: in it.
        counts: `markdown`, rows with an answer in it; and `filtered/<reason>`, of stage `pairs`.
    """
    command = f"`iterpref ingest {pairs} --format trl --out OUT`"
    try:
        taken = ingest_pairs(Wanted([pairs]), Path(os.devnull))
    except InputError as error:
        yield f"{command} takes none: {error}"
    else:
        programs = f"takes the programs alone of answers in Markdown ({counts['markdown']} rows)"
        meanings = {row.reason: row.first_line for row in taken.dropped}
        effects = [programs] * bool(counts["markdown"]) + _left_out("dropped/", taken.counts, rows, meanings)
        if effects:
            yield f"{command} {' and '.join(effects)}"
        yield from (f"{command}: {text}" for text in taken.findings)
    yield from (
        f"in `pairs/` of a checkout, stage `pairs` {text}" for text in _left_out("filtered/", counts, rows, FILTERS)
    )


def _left_out(prefix: str, counts: Mapping[str, int], rows: int, meanings: Mapping[Any, str]) -> list[str]:
    """Return words on the rows that are left out, by the reasons that follow a prefix; empty without any."""
    reasons = {name.removeprefix(prefix): count for name, count in counts.items() if name.startswith(prefix)}
    counted = ", ".join(f"{count} {reason} ({meanings[reason]})" for reason, count in reasons.items())
    return [f"leaves out {sum(reasons.values())} of {rows} rows: {counted}"] if reasons else []
