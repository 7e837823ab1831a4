"""Stage `pairs`."""

from iterpref_core.config import Params
from tasks.paths import ANSWERS, CONTAMINATION, DROPPED, PAIRS, PROBLEMS, STUDENT, TRAJECTORIES
from tasks.stage_body import Metrics, run_body


def run(params: Params) -> Metrics:
    """Choose and filter the preference pairs."""
    from iterpref_core.inference.backend_factory import open_judge
    from iterpref_core.pairs.pairs import screened_params
    from iterpref_core.pairs.pairs import select_pairs as entry

    with open_judge(
        params.pairs.judge,
        params.model.debugger_format,
        params.inference,
        params.budget,
        params.codeflow.concurrency,
        ANSWERS,
        "pairs",
    ) as judge:
        outputs = PAIRS, CONTAMINATION, judge, DROPPED
        return run_body("pairs", entry, TRAJECTORIES, PROBLEMS, STUDENT, screened_params(params), *outputs)
