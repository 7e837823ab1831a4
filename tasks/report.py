"""Stage `report`."""

from iterpref_core.config import Params
from tasks.mlflow.recorded import recorded
from tasks.paths import CONTAMINATION, DROPPED, FOCAL, LOCK, METRICS, PAIRS, PROBLEMS, REPORTS, RESULTS, TRAJECTORIES
from tasks.stage_name import StageName


def run(params: Params, *models: str) -> None:
    """Gather the summary, the pages and the tables.

    Args:
        params: the parameters.
        models: the models of the graph, as DVC writes a mapping on a command line: `--base models/student --sft …`.
            An objective that has left dvc.yaml is not among them, though its results may still be there.
    """
    from iterpref_core.report.report import build_report

    names = [word.removeprefix("--") for word in models if word.startswith("--")]
    with recorded(StageName("report"), params) as metrics:
        measured = build_report(
            results=RESULTS,
            metrics=METRICS,
            pairs=PAIRS,
            spans=FOCAL,
            params=params,
            lock=LOCK,
            out=REPORTS,
            contamination=CONTAMINATION,
            problems=PROBLEMS,
            trajectories=TRAJECTORIES,
            dropped=DROPPED,
            names=names or None,
        )
        metrics.update(measured)
