"""Stage `report`."""

from dataclasses import fields
from typing import TYPE_CHECKING

from iterpref_core.records import InputError, Params, read_yaml
from tasks import paths

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
    deps = read_yaml(paths.GRAPH)["stages"]["report"]["deps"]
    missing = [path for path in (str(paths.RESULTS / name) for name in names) if path not in deps]
    if missing:
        added = ", ".join(missing)
        raise InputError(f"{paths.GRAPH}: the stage report must depend on {added}: add these lines to its deps")
    # An experiment on own pairs has no repairs: its debugger is the student, and would stand in the table twice.
    if params.model.debugger == params.model.student != "nanolab":
        names = [name for name in names if name != "debugger"]
    # Each field is the path of the same name: `pairs` is `paths.PAIRS`.
    files = ReportFiles(**{field.name: getattr(paths, field.name.upper()) for field in fields(ReportFiles)})
    return build_report(files, params, paths.REPORTS, names or None)
