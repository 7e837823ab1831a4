"""Make the application of the library's verbs, and of a caller's own verbs."""

import os
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from itertools import permutations
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from iterpref_core.records import InputError

from . import codeflow_verbs, evaluation_verbs, export_verbs, pair_verbs, problem_verbs, training_verbs

Panels = Mapping[str, Sequence[Callable[..., None]]]
"""Title of a panel of `iterpref --help` → the verbs in it."""
_PANELS: Panels = {
    "Problems": (
        problem_verbs.ingest,
        problem_verbs.synthesize,
        problem_verbs.inject,
        problem_verbs.quality,
        problem_verbs.schema,
    ),
    "CodeFlow": (codeflow_verbs.debug,),
    "Pairs and error regions": (pair_verbs.pair, pair_verbs.localize, pair_verbs.show),
    "Training": (training_verbs.check, training_verbs.train),
    "Evaluation": (
        evaluation_verbs.execute,
        evaluation_verbs.evaluate,
        evaluation_verbs.leaderboard,
        evaluation_verbs.gate,
    ),
    "Sharing": (export_verbs.export,),
}
_TEXTS = {"model", "against"}
"""Options that are texts, since they may be names, but are paths in most cases."""


class Verb(TyperCommand):
    """A command that refuses to write over a file or folder that it reads."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command.

        Raises:
            InputError: a place that is written is also read, or written by another option.
        """
        # Collect every path that an option names, which may also be the name of a model.
        places = []
        for option in self.params:
            given = ctx.params.get(str(option.name))
            for value in given if isinstance(given, list | tuple) else [given]:
                if isinstance(value, Path) or (option.name in _TEXTS and value is not None):
                    places.append((option, value))
        # Compare each output with every other place; a link to the same file counts.
        for (option, place), (other, path) in permutations(places, 2):
            if option is not other and _is_output(option) and os.path.realpath(place) == os.path.realpath(path):
                raise InputError(f"{place}: {option.opts[0]} and {other.opts[0]} are the same path; change one")
        return super().invoke(ctx)


def _is_output(option: Any) -> bool:
    """Return whether an option is a place to write, made by `output_file` or `output_folder`: it need not exist."""
    declared = option.type_descriptor.parameter_info
    return not declared.exists and not (declared.file_okay and declared.dir_okay)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"iterpref {metadata.version('iterpref')}")
        raise typer.Exit


def _program(
    _version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and exit.")
    ] = False,
) -> None:
    """Focal preference training for code models."""


def make_app(experiment: Panels | None = None) -> typer.Typer:
    """Return the application with the verbs of the library.

    Args:
        experiment: panels of verbs that need a checkout, which come first.
    """
    made = typer.Typer(
        name="iterpref",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
    )
    made.callback()(_program)
    for panel, verbs in {**(experiment or {}), **_PANELS}.items():
        for verb in verbs:
            made.command(cls=Verb, rich_help_panel=panel)(verb)
    return made


app = make_app()
