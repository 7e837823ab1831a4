"""Stage `validity`: what the tests demand."""

from flows.runner import run_stage
from iterpref_core.config import load_params
from tasks.validity import measure_validity


def validity() -> dict[str, float]:
    """Measure coverage, mutation score and, by a judge, the quality of a sample of the problems' tests."""
    return measure_validity(load_params())


if __name__ == "__main__":
    run_stage(validity, "validity")
