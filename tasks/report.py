"""Stage `report`."""

from iterpref_core.config import Params
from tasks.common.paths import (
    CONTAMINATION,
    FOCAL,
    LOCK,
    METRICS,
    PAIRS,
    PROBLEMS,
    REPORTS,
    RESULTS,
    TRAJECTORIES,
)
from tasks.common.stage_body import Metrics, run_body
from tasks.common.stage_task import stage_task


@stage_task
def build_report(params: Params) -> Metrics:
    """Gather the summary, the pages and the tables."""
    from iterpref_core.report.report import build_report as entry

    optional = CONTAMINATION, PROBLEMS, TRAJECTORIES
    return run_body("report", entry, RESULTS, METRICS, PAIRS, FOCAL, params, LOCK, REPORTS, *optional)
