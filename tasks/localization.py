"""Stage `localization`."""

from iterpref_core.records import LocalizationResult, Params

from .paths import FOCAL, PAIRS


def run(params: Params) -> LocalizationResult:
    """Mark the error region of every pair."""
    from iterpref_core.pairs.localization.localization import localize_pairs

    return localize_pairs(PAIRS, params.localization, FOCAL)
