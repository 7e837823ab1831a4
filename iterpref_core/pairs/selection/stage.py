"""Run stage `pairs`, or the verb `pair`: choose and filter the preference pairs, and add the user's own."""

from typing import Any

from iterpref_core.records import PairsResult, Params

from .pair_selection import screened_params, select_pairs


def run(params: Params, **files: Any) -> PairsResult:
    """Write the pairs, which are screened against `evaluation.benchmarks` as well; `files` are as in `select_pairs`."""
    return select_pairs(params=screened_params(params), **files)
