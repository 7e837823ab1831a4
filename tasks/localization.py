"""Stage `localization`."""

from iterpref_core.config import Params
from tasks.paths import FOCAL, PAIRS, PROBLEMS
from tasks.stage_body import Metrics, run_body


def run(params: Params) -> Metrics:
    """Mark the error region of every pair."""
    from iterpref_core.localization.localization import localize_pairs as entry

    return run_body("localization", entry, PAIRS, params.localization, FOCAL, PROBLEMS, params.execution)
