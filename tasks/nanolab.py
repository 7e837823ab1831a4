"""Stage `nanolab`."""

from iterpref_core.records.config import Params
from tasks.mlflow.logged import logged
from tasks.paths import MODELS, PROBLEMS
from tasks.stage_name import StageName


def run(params: Params) -> None:
    """Train the embedded models, or record where the given ones are."""
    from iterpref_core.training.nanolab.nanolab import build_models

    with logged(StageName("nanolab"), params) as metrics:
        measured = build_models(
            problems=PROBLEMS,
            model=params.model,
            nanolab=params.nanolab,
            execution=params.execution,
            out=MODELS,
            backend=params.inference.backend,
        )
        metrics.update(measured)
