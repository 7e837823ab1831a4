"""Stage `report`."""

from iterpref_core.config import Params
from tasks.paths import CONTAMINATION, DROPPED, FOCAL, LOCK, METRICS, PAIRS, PROBLEMS, REPORTS, RESULTS, TRAJECTORIES
from tasks.recorded import recorded
from tasks.stage_name import StageName


def run(params: Params) -> None:
    """Gather the summary, the pages and the tables."""
    from iterpref_core.report.report import build_report

    with recorded(StageName("report"), params) as metrics:
        metrics.update(
            build_report(
                RESULTS,
                METRICS,
                PAIRS,
                FOCAL,
                params,
                LOCK,
                REPORTS,
                contamination=CONTAMINATION,
                problems=PROBLEMS,
                trajectories=TRAJECTORIES,
                dropped=DROPPED,
            )
        )
