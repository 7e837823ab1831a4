"""Run stage `report`: gather the summary, the pages and the tables."""

from pathlib import Path

from iterpref_core.records import Params

from .report import build_report
from .summary import ReportFiles
from .summary_record import Summary


def run(params: Params, *models: str, out: Path, **files: Path) -> Summary:
    """Write the report.

    Args:
        params: all parameters.
        models: the models of the graph, as DVC writes a mapping on a command line: `--base models/student --sft …`.
            An objective that has left dvc.yaml is not among them, though its results may still be there.
        out: the folder of the report.
        files: the fields of `ReportFiles`.
    """
    names = [word.removeprefix("--") for word in models if word.startswith("--")]
    # An experiment on own pairs has no repairs: its debugger is the student, and would stand in the table twice.
    if params.model.debugger == params.model.student != "nanolab":
        names = [name for name in names if name != "debugger"]
    return build_report(ReportFiles(**files), params, out, names or None)
