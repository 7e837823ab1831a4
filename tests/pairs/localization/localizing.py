"""Localization of pairs that a test writes, as the stage does it."""

from iterpref_core.pairs.localization.localization import localize_pairs
from iterpref_core.records import FocalSpans
from iterpref_core.records.config import LocalizationParams
from iterpref_core.storage.jsonl import read_jsonl, write_jsonl
from tests.settings import section


def localize(folder, pairs, method="line_lcs", empty="keep", widen=0):
    """Return metrics and spans."""
    write_jsonl(folder / "pairs.jsonl", pairs)
    params = section(LocalizationParams, method=method, empty=empty, widen_lines=widen)
    metrics = localize_pairs(folder / "pairs.jsonl", params, folder / "focal.jsonl").metrics()
    return metrics, list(read_jsonl(folder / "focal.jsonl", FocalSpans))
