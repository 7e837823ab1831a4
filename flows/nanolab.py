"""Stage `nanolab`: the models that take part."""

from flows.runner import run_stage
from iterpref_core.config import load_params
from tasks.nanolab import build_models


def nanolab() -> dict[str, float]:
    """Train the embedded models, or record where the given ones are."""
    return build_models(load_params())


if __name__ == "__main__":
    run_stage(nanolab, "nanolab")
