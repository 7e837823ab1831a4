"""Stage `report`."""

from typing import TYPE_CHECKING

from iterpref_core.records import InputError, Params, read_yaml
from tasks.paths import (
    CONTAMINATION,
    DROPPED,
    FOCAL,
    GRAPH,
    LOCK,
    METRICS,
    PAIRS,
    PROBLEMS,
    REPORTS,
    RESULTS,
    TRAJECTORIES,
)

if TYPE_CHECKING:
    from iterpref_core.evaluation.report.summary_record import Summary


def run(params: Params, *models: str) -> "Summary":
    """Gather the summary, the pages and the tables.

    Args:
        params: the parameters.
        models: the models of the graph, as DVC writes a mapping on a command line: `--base models/student --sft …`.
            An objective that has left dvc.yaml is not among them, though its results may still be there.

    Raises:
        InputError: in dvc.yaml this stage does not depend on the results of one of the models, so DVC might run it
            before the evaluation of that model.
    """
    from iterpref_core.evaluation.report.report import build_report
    from iterpref_core.evaluation.report.summary import ReportFiles

    # `--base models/student --sft models/trained/sft` names the models base and sft.
    names = [word.removeprefix("--") for word in models if word.startswith("--")]
    deps = read_yaml(GRAPH)["stages"]["report"]["deps"]
    missing = [path for path in (str(RESULTS / name) for name in names) if path not in deps]
    if missing:
        raise InputError(f"{GRAPH}: the stage report must depend on {', '.join(missing)}: add these lines to its deps")
    files = ReportFiles(
        results=RESULTS,
        metrics=METRICS,
        pairs=PAIRS,
        marked=FOCAL,
        problems=PROBLEMS,
        trajectories=TRAJECTORIES,
        dropped=DROPPED,
        contamination=CONTAMINATION,
        lock=LOCK,
    )
    return build_report(files, params, REPORTS, names or None)
