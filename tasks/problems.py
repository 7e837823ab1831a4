"""Stage `problems`."""

from iterpref_core.config import Params
from tasks.paths import INGESTED, PROBLEMS
from tasks.stage_body import Metrics, run_body


def run(params: Params) -> Metrics:
    """Compose and split the problems."""
    from iterpref_core.problems.problems import build_problems as entry

    return run_body("problems", entry, params.problems, INGESTED, PROBLEMS)
