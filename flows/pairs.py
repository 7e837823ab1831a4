"""Stage `pairs`: preference pairs."""

from flows.runner import run_stage
from iterpref_core.config import load_params
from tasks.pairs import select_pairs


def pairs() -> dict[str, float]:
    """Choose and filter the preference pairs."""
    return select_pairs(load_params())


if __name__ == "__main__":
    run_stage(pairs, "pairs")
