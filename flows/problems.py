"""Stage `problems`: compose the problems."""

from flows.runner import run_stage
from iterpref_core.config import load_params
from tasks.problems import build_problems


def problems() -> dict[str, float]:
    """Compose and split the problems; join the ingested ones."""
    return build_problems(load_params())


if __name__ == "__main__":
    run_stage(problems, "problems")
