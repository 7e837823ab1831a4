"""Stage `nanolab`."""

from iterpref_core.records import NanolabResult, Params

from .paths import MODELS, PROBLEMS


def run(params: Params) -> NanolabResult:
    """Train the embedded models, or record where the given ones are."""
    from iterpref_core.nanolab.embedded_models import build_models

    return build_models(
        problems=PROBLEMS,
        model=params.model,
        nanolab=params.nanolab,
        execution=params.execution,
        out=MODELS,
        backend=params.inference.backend,
    )
