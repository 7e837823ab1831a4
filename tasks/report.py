"""Stage `report`."""

from iterpref_core.config import Params
from tasks.paths import CONTAMINATION, DROPPED, FOCAL, LOCK, METRICS, PAIRS, PROBLEMS, REPORTS, RESULTS, TRAJECTORIES
from tasks.stage_body import Metrics, run_body


def run(params: Params) -> Metrics:
    """Gather the summary, the pages and the tables."""
    from iterpref_core.report.report import build_report as entry

    optional = CONTAMINATION, PROBLEMS, TRAJECTORIES, DROPPED
    return run_body("report", entry, RESULTS, METRICS, PAIRS, FOCAL, params, LOCK, REPORTS, *optional)
