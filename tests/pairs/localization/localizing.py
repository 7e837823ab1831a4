"""Localization of pairs that a test writes, as the stage does it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from iterpref_core.pairs.localization.localization import localize_pairs
from iterpref_core.records import FocalSpans, PreferencePair
from iterpref_core.records.config import LocalizationParams
from iterpref_core.storage.jsonl import read_jsonl, write_jsonl
from tests.settings import section


def localize(
    folder: Path,
    pairs: Sequence[PreferencePair],
    *programs: Any,
    method: str = "line_lcs",
    empty: str = "keep",
    widen: int = 0,
) -> tuple[dict[str, float], list[FocalSpans]]:
    """Return metrics and spans; causal needs the problems and the settings of the engine in `programs`."""
    write_jsonl(folder / "pairs.jsonl", pairs)
    params = section(LocalizationParams, method=method, empty=empty, widen_lines=widen)
    metrics = localize_pairs(folder / "pairs.jsonl", params, folder / "focal.jsonl", *programs).metrics()
    return metrics, list(read_jsonl(folder / "focal.jsonl", FocalSpans))
