"""Run stage `localization`, or the verb `localize`: mark the error region of every pair."""

from typing import Any

from iterpref_core.records import LocalizationResult, Params

from .localization import localize_pairs


def run(params: Params, **files: Any) -> LocalizationResult:
    """Write the pairs with their regions; `files` are as in `localize_pairs`."""
    return localize_pairs(params=params.localization, **files)
