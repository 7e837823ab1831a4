"""Stage `validity`."""

from iterpref_core.config import Params
from tasks.paths import ANSWERS, PROBLEMS, VALIDITY
from tasks.stage_body import Metrics, run_body


def run(params: Params) -> Metrics:
    """Measure a sample of the tests that CodeFlow works with."""
    from iterpref_core.inference.backend_factory import open_judge
    from iterpref_core.validity.validity import measure_validity as entry

    judge = open_judge(
        params.validity.judge,
        params.model.debugger_format,
        params.inference,
        params.budget,
        params.codeflow.concurrency,
        ANSWERS,
        "validity",
    )
    return run_body("validity", entry, PROBLEMS, params.validity, params.execution, judge, VALIDITY)
