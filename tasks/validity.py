"""Stage `validity`."""

from iterpref_core.config import Params
from tasks.mlflow.recorded import recorded
from tasks.paths import ANSWERS, PROBLEMS, VALIDITY
from tasks.stage_name import StageName


def run(params: Params) -> None:
    """Measure a sample of the tests that CodeFlow works with."""
    from iterpref_core.inference.backend_factory import open_judge
    from iterpref_core.validity.validity import measure_validity

    judge = open_judge(
        params.validity.judge,
        params.model.debugger_format,
        params.inference,
        params.budget,
        params.codeflow.concurrency,
        ANSWERS,
        "validity",
    )
    with recorded(StageName("validity"), params) as metrics:
        metrics.update(measure_validity(PROBLEMS, params.validity, params.execution, judge, VALIDITY))
