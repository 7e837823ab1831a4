"""Stage `pairs`."""

from iterpref_core.config import Params
from tasks.common.paths import ANSWERS, CONTAMINATION, PAIRS, PROBLEMS, STUDENT, TRAJECTORIES
from tasks.common.stage_body import Metrics, run_body
from tasks.common.stage_task import stage_task


@stage_task
def select_pairs(params: Params) -> Metrics:
    """Choose and filter the preference pairs."""
    from iterpref_core.inference.backend_factory import open_judge
    from iterpref_core.inference.local import tokenizers  # noqa: F401  # what it imports is no part of the body
    from iterpref_core.pairs.pairs import select_pairs as entry

    with open_judge(
        params.pairs.judge, params.inference, params.budget, params.codeflow.concurrency, ANSWERS, "pairs"
    ) as judge:
        return run_body(
            "pairs", entry, TRAJECTORIES, PROBLEMS, STUDENT, params.pairs, PAIRS, CONTAMINATION, judge=judge
        )
