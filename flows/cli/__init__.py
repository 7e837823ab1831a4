"""`iterpref`, the command line: each verb is one call of the core, of a flow or of a service.

Exit codes: 0 done; 1 the work ran and found what it must report; 2 bad input or configuration.
"""

import sys

import typer

from flows.cli import (
    codeflow_verbs,
    evaluation_verbs,
    experiment_verbs,
    export_verbs,
    grid_verbs,
    init_verb,
    pair_verbs,
    problem_verbs,
    training_verbs,
    validity_verbs,
)
from iterpref_core.errors import InputError, IterPrefError, storage_error
from tasks.orchestration.stage_environment import set_up_libraries

app = typer.Typer(
    name="iterpref",
    help="Focal preference training for code models.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for group in (  # in the order in which `iterpref --help` shows them: the pipeline's
    init_verb,
    experiment_verbs,
    problem_verbs,
    validity_verbs,
    codeflow_verbs,
    pair_verbs,
    training_verbs,
    evaluation_verbs,
    export_verbs,
    grid_verbs,
):
    group.register(app)


def main() -> None:
    """Run a verb; bad input ends with one message and exit code 2, never with a traceback."""
    set_up_libraries()
    try:
        app()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except IterPrefError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except Exception as error:
        if not (message := _about_files(error)):
            raise
        print(f"error: {message}", file=sys.stderr)
        sys.exit(2)


def _about_files(error: Exception) -> str:
    """What a full disk or a path that cannot be used has to do with an error; empty for other errors."""
    if (found := storage_error(error)) is not None:
        return str(found)
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}; check the path"
    return ""
