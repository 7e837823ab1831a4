"""Stage `problems`."""

from iterpref_core.config import Params
from tasks.mlflow.recorded import recorded
from tasks.paths import INGESTED, PROBLEMS
from tasks.stage_name import StageName


def run(params: Params) -> None:
    """Compose and split the problems."""
    from iterpref_core.problems.problems import build_problems

    with recorded(StageName("problems"), params) as metrics:
        metrics.update(build_problems(params.problems, INGESTED, PROBLEMS))
