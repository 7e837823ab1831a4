"""Stage `report`: the summary, the page and the tables."""

from flows.runner import run_stage
from iterpref_core.config import load_params
from tasks.report import build_report


def report() -> dict[str, float]:
    """Report what the experiment showed."""
    return build_report(load_params())


if __name__ == "__main__":
    run_stage(report, "report")
