"""Stage `evaluation`: the benchmarks, once per model."""

import sys

from flows.runner import run_stage
from iterpref_core.config import load_params
from tasks.evaluation import evaluate_model


def evaluation(model: str) -> dict[str, float]:
    """Measure one model on every benchmark."""
    return evaluate_model(load_params(), model)


if __name__ == "__main__":
    run_stage(evaluation, f"evaluation@{sys.argv[1]}", model=sys.argv[1])
