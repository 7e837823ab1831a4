"""Stage `localization`."""

from iterpref_core.records.config import Params
from iterpref_core.records.stage_results import LocalizationResult
from tasks.paths import FOCAL, PAIRS


def run(params: Params) -> LocalizationResult:
    """Mark the error region of every pair."""
    from iterpref_core.pairs.localization.localization import localize_pairs

    return localize_pairs(PAIRS, params.localization, FOCAL)
