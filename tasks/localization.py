"""Stage `localization`."""

from iterpref_core.records.config import Params
from tasks.paths import FOCAL, PAIRS, PROBLEMS


def run(params: Params) -> dict[str, float]:
    """Mark the error region of every pair."""
    from iterpref_core.pairs.localization.localization import localize_pairs

    return localize_pairs(PAIRS, params.localization, FOCAL, PROBLEMS, params.execution)
