"""`iterpref`, the command line: each verb is one call of the core, of a flow or of a service.

Exit codes: 0 done; 1 the work ran and found what it must report; 2 bad input or configuration.
"""

import sys

import typer

from flows.cli import (
    bench_verbs,
    codeflow_verbs,
    evaluation_verbs,
    experiment_verbs,
    export_verbs,
    grid_verbs,
    init_verb,
    method_cost_verbs,
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
    method_cost_verbs,
    problem_verbs,
    validity_verbs,
    codeflow_verbs,
    pair_verbs,
    training_verbs,
    evaluation_verbs,
    export_verbs,
    grid_verbs,
    bench_verbs,
):
    group.register(app)


RENAMED = {
    ("sample",): ("debug", "--source", "sampling"),
    ("synthesise",): ("synthesize",),
    ("bench", "localisation"): ("bench", "localization"),
}
"""Words of the release before and what they are now; the old ones work for one release."""


def rename_words(words: list[str]) -> list[str]:
    """A command line in today's words; says on stderr which old ones it had."""
    for old, new in RENAMED.items():
        if tuple(words[: len(old)]) == old:
            print(f"note: `iterpref {' '.join(old)}` is `iterpref {' '.join(new)}` now", file=sys.stderr)
            return [*new, *words[len(old) :]]
    return words


def main() -> None:
    """Run a verb; bad input ends with one message and exit code 2, never with a traceback."""
    set_up_libraries()
    try:
        app(rename_words(sys.argv[1:]))
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
