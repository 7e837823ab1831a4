"""Stage `localization`."""

from iterpref_core.records.config import Params
from tasks.mlflow.logged import logged
from tasks.paths import FOCAL, PAIRS, PROBLEMS
from tasks.stage_name import StageName


def run(params: Params) -> None:
    """Mark the error region of every pair."""
    from iterpref_core.pairs.localization.localization import localize_pairs

    with logged(StageName("localization"), params) as metrics:
        metrics.update(localize_pairs(PAIRS, params.localization, FOCAL, PROBLEMS, params.execution))
