"""Columns and order of MLflow's table of runs that answers what an experiment asks: one row for each evaluated model.

MLflow (3.17) has no columns that a project could set for everybody who opens the page. It has saved views, in the menu
*Views* and each with an address: the state of the table, as JSON in a tag of the experiment.
"""

import json

from iterpref_core.report.labels import BENCHMARKS, MAIN_BENCHMARK

VIEW = "models"
EXPERIMENT_TAG = "experiment"
"""Of a nested run: the name of the run that it is in."""
_SETTINGS = ("objective", "beta", "learning_rate", "seed")


def metric_name(key: str) -> str:
    """A name that MLflow takes: it refuses `+` and `@`.

    >>> metric_name("humaneval+/pass_at_1")
    'humaneval_plus/pass_at_1'
    """
    return key.replace("+", "_plus").replace("@", "_at_")


def experiment_tags() -> dict[str, str]:
    """Tags of MLflow's experiment: that it is one of training, what it is, and the view."""
    scores = [f"metrics.`{metric_name(name)}/pass_at_1`" for name in BENCHMARKS]
    columns = [f"tags.`{EXPERIMENT_TAG}`", *(f"params.`{name}`" for name in _SETTINGS), *scores]
    state = {
        "searchFilter": "params.objective LIKE '%'",  # what has the parameter was evaluated
        "orderByKey": f"metrics.`{metric_name(MAIN_BENCHMARK)}/pass_at_1`",
        "orderByAsc": False,
        "selectedColumns": columns,
        "columnOrder": columns,
    }
    view = {"name": "models by pass@1", "createdAt": 0, "updatedAt": 0, "state": json.dumps(state)}
    return {
        "mlflow.experimentKind": "custom_model_development",
        f"mlflow.sharedViewState.{VIEW}": json.dumps(view),
    }


def table_page(experiment_id: str) -> str:
    """The view's address at an MLflow server, which comes before it."""
    return f"/#/experiments/{experiment_id}/runs?viewStateShareKey={VIEW}"
