"""All verbs: those of the library, and in a checkout those of the experiment."""

import sys
from importlib import import_module
from pathlib import Path

import typer

from iterpref_core.cli import codeflow_verbs, evaluation_verbs, export_verbs, pair_verbs, problem_verbs, training_verbs

_CHECKOUT = Path(__file__).parents[2]

app = typer.Typer(
    name="iterpref",
    help="Focal preference training for code models.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
if (_CHECKOUT / "dvc.yaml").is_file():
    sys.path.insert(0, str(_CHECKOUT))
    import_module("flows.cli").register(app)
for verbs in (problem_verbs, codeflow_verbs, pair_verbs, training_verbs, evaluation_verbs, export_verbs):
    verbs.register(app)
