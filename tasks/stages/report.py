"""Stage `report`."""

from typing import Any

from iterpref_core.records import InputError, read_yaml
from tasks import paths

from . import codeflow, evaluation, localization, pairs, validity
from .stage import Stage


def prepare(*models: str) -> None:
    """Refuse a dvc.yaml that lets DVC run this stage before the evaluation of a model that it shows.

    Raises:
        InputError: this stage does not depend on the results of a model.
    """
    results = [str(paths.RESULTS / model) for model in models]
    deps = read_yaml(paths.GRAPH)["stages"]["report"]["deps"]
    if missing := [path for path in results if path not in deps]:
        added = ", ".join(missing)
        raise InputError(f"{paths.GRAPH}: the stage report must depend on {added}: add these lines to its deps")


def headline(_item: str, metric: str) -> str | None:
    """Return the name of what a model kept in the row of a command, where it comes after the scores."""
    return metric.replace("/kept/", "/pass_at_1_kept/") if "/kept/" in metric else None


def join(entry: dict[str, Any], objective: str) -> None:
    """Report the model of a further objective."""
    entry["deps"].append(str(paths.RESULTS / objective))


STAGE = Stage(
    name="report",
    work="iterpref_core.evaluation.report.report:build_report",
    params=["*"],  # the summary records all of them
    reads={
        "contamination": paths.CONTAMINATION,
        "dropped": paths.DROPPED,
        "focal": paths.FOCAL,
        "pairs": paths.PAIRS,
        "problems": paths.PROBLEMS,
        "trajectories": paths.TRAJECTORIES,
    },
    after=[
        *(page.STAGE.metrics_path() for page in (codeflow, localization, pairs, validity)),
        *(paths.RESULTS / name for name in evaluation.MEASURED),
    ],
    writes={"out": paths.REPORTS},
    untracked={"results": paths.RESULTS, "metrics": paths.METRICS, "lock": paths.LOCK, "times": paths.TIMES},
    # A model that leaves the stage evaluation, and the deps here, leaves the report.
    named_by="${stages.evaluation.foreach}",
    measured=paths.HEADLINE,
    plots=[
        {
            "results": {
                "template": "results",
                "x": {"reports/results.csv": "pass_at_1"},
                "y": {"reports/results.csv": "model"},
                "title": "pass@1 with 95% intervals",
            }
        }
    ],
    prepare=prepare,
    headline=headline,
    pages=paths.REPORTS,
    join=join,
)
