"""Stage `pairs`."""

from iterpref_core.records.config import Params
from tasks.mlflow.logged import logged
from tasks.paths import CONTAMINATION, DROPPED, PAIRS, PROBLEMS, STUDENT, TRAJECTORIES
from tasks.stage_name import StageName


def run(params: Params) -> None:
    """Choose and filter the preference pairs."""
    from iterpref_core.pairs.pairs.pair_selection import screened_params, select_pairs

    with logged(StageName("pairs"), params) as metrics:
        metrics.update(
            select_pairs(
                trajectories=TRAJECTORIES,
                problems=PROBLEMS,
                tokenizer=STUDENT,
                params=screened_params(params),
                out=PAIRS,
                report=CONTAMINATION,
                dropped=DROPPED,
            )
        )
