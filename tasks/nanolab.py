"""Stage `nanolab`."""

from iterpref_core.config import Params
from tasks.paths import MODELS, PROBLEMS
from tasks.stage_body import Metrics, run_body


def run(params: Params) -> Metrics:
    """Train the embedded models, or record where the given ones are."""
    from iterpref_core.nanolab.nanolab import build_models as entry

    backend = params.inference.backend
    return run_body("nanolab", entry, PROBLEMS, params.model, params.nanolab, params.execution, MODELS, backend)
