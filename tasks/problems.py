"""Stage `problems`."""

from iterpref_core.config import Params
from tasks.common.paths import INGESTED, PROBLEMS
from tasks.common.stage_body import Metrics, run_body
from tasks.common.stage_task import stage_task


@stage_task
def build_problems(params: Params) -> Metrics:
    """Compose and split the problems."""
    from iterpref_core.problems.problems import build_problems as entry

    return run_body("problems", entry, params.problems, INGESTED, PROBLEMS)
