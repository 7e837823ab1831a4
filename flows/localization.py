"""Stage `localization`: where the error is."""

from flows.runner import run_stage
from iterpref_core.config import load_params
from tasks.localization import localize_pairs


def localization() -> dict[str, float]:
    """Mark the error region of every pair."""
    return localize_pairs(load_params())


if __name__ == "__main__":
    run_stage(localization, "localization")
