"""The application: the verbs of the library, beside which a caller may have others."""

import os
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer
from typer.core import TyperCommand
from typer.models import OptionInfo

from iterpref_core.cli import codeflow_verbs, evaluation_verbs, export_verbs, pair_verbs, problem_verbs, training_verbs
from iterpref_core.records.errors import InputError

Panels = Mapping[str, Sequence[Callable[..., None]]]
"""Title of a panel of `iterpref --help` → the verbs in it."""
_PANELS: Panels = {
    "Problems": (problem_verbs.ingest, problem_verbs.synthesize, problem_verbs.inject, problem_verbs.quality),
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
_OF_A_CHECKOUT = ("init", "doctor", "run", "sweep", "ui")
"""Names of verbs that work in a checkout alone: elsewhere they only say so."""


_TEXTS = {"model", "models", "trained", "against"}
"""Options that are texts, since they may be names, but are paths in most cases."""


class Verb(TyperCommand):
    """A command that refuses to write over a file or folder that it reads.

    Attributes:
        outputs: names of the parameters that are places to write.
    """

    outputs: frozenset[str] = frozenset()

    def invoke(self, ctx: Any) -> Any:
        """Run the command.

        Raises:
            InputError: a place that is written is also read, or written by another option.
        """
        written: dict[str, Path] = {}
        read: list[tuple[str, str]] = []
        for option in self.params:
            values = _paths_in(ctx.params.get(str(option.name)))
            if option.name in self.outputs:
                for value in values:
                    written[option.opts[0]] = Path(value)
            elif option.name in _TEXTS or any(isinstance(value, Path) for value in values):
                read += [(option.opts[0], str(value)) for value in values]
        for name, place in written.items():
            others = [(other, str(path)) for other, path in written.items() if other != name]
            for other, path in (*read, *others):
                if os.path.realpath(path) == os.path.realpath(place) or _is_shard_of(place, path, ctx):
                    raise InputError(f"{place}: {name} and {other} are the same path; change one")
        return super().invoke(ctx)


def _paths_in(value: Any) -> list[Any]:
    """Return the single values of an option: it may be given several times, or have several parts."""
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def _outputs_of(verb: Callable[..., None]) -> frozenset[str]:
    """Return the parameters of a verb that are places to write: those made by `output_file` or `output_folder`."""
    outputs = set()
    for name, annotated in get_type_hints(verb, include_extras=True).items():
        for option in getattr(annotated, "__metadata__", ()):
            is_place = isinstance(option, OptionInfo) and not option.exists
            if is_place and not (option.file_okay and option.dir_okay):
                outputs.add(name)
    return frozenset(outputs)


def _is_shard_of(place: Path, source: str, ctx: Any) -> bool:
    """Return True if a file that will be written is there, in a folder whose files are read as data."""
    if ctx.params.get("form") in {None, "folder"} or not Path(source).is_dir() or not place.is_file():
        return False
    return Path(os.path.realpath(source)) in Path(os.path.realpath(place)).parents


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


def make_app(experiment: Panels | None = None) -> typer.Typer:
    """Return the application with the verbs of the library.

    Args:
        experiment: panels of verbs that need a checkout, which come first. Without them, a verb of
            `_OF_A_CHECKOUT` says that it needs one.
    """
    made = typer.Typer(
        name="iterpref",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
    )
    made.callback()(_program)
    if experiment is None:
        for name in _OF_A_CHECKOUT:
            # `iterpref run training --set KEY=VALUE` gets the same message as `iterpref run`.
            any_arguments = {"ignore_unknown_options": True, "allow_extra_args": True}
            made.command(name, hidden=True, context_settings=any_arguments)(_needs_checkout)
    for panel, verbs in {**(experiment or {}), **_PANELS}.items():
        for verb in verbs:
            command = type("Verb", (Verb,), {"outputs": _outputs_of(verb)})
            made.command(cls=command, rich_help_panel=panel)(verb)
    return made


app = make_app()
