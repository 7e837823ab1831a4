"""Stage `validity`."""

from iterpref_core.records.config import Params
from tasks.mlflow.logged import logged
from tasks.paths import ANSWERS, PROBLEMS, VALIDITY
from tasks.stage_name import StageName


def run(params: Params) -> None:
    """Measure a sample of the tests that CodeFlow works with."""
    from iterpref_core.models.inference.backend_factory import open_judge
    from iterpref_core.problems.validity.validity import measure_validity

    judge = open_judge(
        model=params.validity.judge,
        params=params,
        answers=ANSWERS,
        run="validity",
    )
    with logged(StageName("validity"), params) as metrics:
        measured = measure_validity(
            problems=PROBLEMS,
            params=params.validity,
            execution=params.execution,
            judge=judge,
            out=VALIDITY,
        )
        metrics.update(measured)
