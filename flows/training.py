"""Stage `training`: focal preference training, once per objective."""

import sys

from flows.runner import run_stage
from iterpref_core.config import load_params
from tasks.training import train_objective


def training(objective: str) -> dict[str, float]:
    """Train the student with one objective."""
    return train_objective(load_params(), objective)


if __name__ == "__main__":
    run_stage(training, f"training@{sys.argv[1]}", objective=sys.argv[1])
