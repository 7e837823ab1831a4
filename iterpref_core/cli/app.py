"""The application: the verbs of the library, beside which a caller may have others."""

import os
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from iterpref_core.cli import codeflow_verbs, evaluation_verbs, export_verbs, pair_verbs, problem_verbs, training_verbs
from iterpref_core.errors import InputError

Panels = Mapping[str, Sequence[Callable[..., None]]]
"""Title of a panel of `iterpref --help` → the verbs in it."""
_PANELS: Panels = {
    "Problems": (problem_verbs.ingest, problem_verbs.synthesize, problem_verbs.inject, problem_verbs.quality),
    "CodeFlow": (codeflow_verbs.debug,),
    "Pairs and error regions": (pair_verbs.pair, pair_verbs.localize, pair_verbs.show),
    "Training": (training_verbs.check, training_verbs.train),
    "Evaluation": (evaluation_verbs.execute, evaluation_verbs.evaluate, evaluation_verbs.gate),
    "Sharing": (export_verbs.export,),
}
_OF_A_CHECKOUT = ("init", "doctor", "run", "sweep", "ui")
"""Names of verbs that work in a checkout alone: elsewhere they only say so."""
_WRITTEN = {"out", "scores", "html"}
"""Options that name a file or folder to write."""


class Verb(TyperCommand):
    """A command that refuses to write over a file or folder that it reads."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command.

        Raises:
            InputError: two options name the same place, and one of them is written.
        """
        real_paths = {}
        for name, value in ctx.params.items():
            # A model is a text, since it may be named by its id on a hub; but most are folders.
            if isinstance(value, Path) or (name == "model" and value is not None):
                real_paths[name] = os.path.realpath(value)
        for written in _WRITTEN & real_paths.keys():
            for name, path in real_paths.items():
                if name != written and path == real_paths[written]:
                    raise InputError(f"{ctx.params[written]}: --{written} and --{name} are the same path; change one")
        return super().invoke(ctx)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"iterpref {installed_version('iterpref')}")
        raise typer.Exit


def _program(
    _version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and exit.")
    ] = False,
) -> None:
    """Focal preference training for code models."""


def _needs_checkout(ctx: typer.Context) -> None:
    raise InputError(
        f"`iterpref {ctx.info_name}` works in a checkout of the project: clone its repository, and there run "
        "`pip install -e '.[all]'`"
    )


def make_app(experiment: Panels | None = None, launch: training_verbs.Launch | None = None) -> typer.Typer:
    """Return the application with the verbs of the library.

    Args:
        experiment: panels of verbs that need a checkout, which come first. Without them, a verb of
            `_OF_A_CHECKOUT` says that it needs one.
        launch: starts the processes of a training; without it, training has those that are there.
    """
    made = typer.Typer(
        name="iterpref",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"obj": launch},
    )
    made.callback()(_program)
    if experiment is None:
        for name in _OF_A_CHECKOUT:
            # `iterpref run training --set KEY=VALUE` gets the same message as `iterpref run`.
            any_arguments = {"ignore_unknown_options": True, "allow_extra_args": True}
            made.command(name, hidden=True, context_settings=any_arguments)(_needs_checkout)
    for panel, verbs in {**(experiment or {}), **_PANELS}.items():
        for verb in verbs:
            made.command(cls=Verb, rich_help_panel=panel)(verb)
    return made


app = make_app()
