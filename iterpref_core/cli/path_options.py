"""Path options of verbs: every input is looked at and every output tried before any work; none is written over another.

Click calls these callbacks in turn when it reads a command line, and keeps what they have seen in its context.
"""

import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Literal

import typer

from iterpref_core.errors import InputError
from iterpref_core.input_files import ABSENT, open_input

Kind = Literal["file", "folder", "file or folder", "path or name"]
Callback = Callable[[typer.Context, typer.CallbackParam, Any], Any]

_SEEN_HERE = "iterpref_core.cli.path_options"


def input_option(purpose: str, *names: str, kind: Kind = "file") -> Any:
    """An option that names what a verb reads; `path or name` may also be something that is no path.

    Args:
        purpose: what `--help` says.
        names: such as `--pairs`, where it is not called as the verb's parameter.
        kind: what is needed there.

    Raises:
        InputError: when the command line is read: it is absent, empty, or of another kind.
    """
    return typer.Option(*names, help=purpose, callback=_checking(kind, written=False))


def input_argument(purpose: str, kind: Kind = "file") -> Any:
    """As `input_option`, by its place on the command line."""
    return typer.Argument(help=purpose, callback=_checking(kind, written=False))


def output_option(purpose: str, *names: str, kind: Literal["file", "folder"] = "file") -> Any:
    """An option that names what a verb writes; arguments as of `input_option`.

    Raises:
        InputError: when the command line is read: it cannot be written, or another option names it too.
    """
    return typer.Option(*names, help=purpose, callback=_checking(kind, written=True))


def _checking(kind: Kind, *, written: bool) -> Callback:
    def check(context: typer.Context, parameter: typer.CallbackParam, value: Any) -> Any:
        option = max(parameter.opts, key=len)
        source = context.get_parameter_source(str(parameter.name))
        stated = source is not None and source.name != "DEFAULT"
        seen: dict[str, tuple[str, bool]] = context.meta.setdefault(_SEEN_HERE, {})
        for given in value if isinstance(value, list | tuple) else [value] if value is not None else []:
            if written:
                _check_output(Path(given), option, kind)
            elif stated:
                _check_input(given, option, kind)
            other, other_written = seen.setdefault(os.path.realpath(given), (option, written))
            if other != option and (written or other_written):
                raise InputError(f"{given}: {other} and {option} name the same; give each its own")
        return value

    return check


def _check_input(given: Path | str, option: str, kind: Kind) -> None:
    path = Path(given)
    if not str(given).strip():
        raise InputError(f"{option} is empty; name what to read")
    if kind == "path or name" and not path.exists():
        return
    if not path.exists():
        raise InputError(f"{path}: no such {kind} ({option}); {ABSENT}")
    if kind == "file" and not path.is_file():
        raise InputError(f"{path}: is a {'folder' if path.is_dir() else 'pipe or device'} ({option}); a file is needed")
    if kind == "folder" and not path.is_dir():
        raise InputError(f"{path}: is a file ({option}); a folder is needed")
    if path.is_file():
        with open_input(path) as file:
            if not any(block.strip() for block in iter(lambda: file.read(1 << 16), b"")):
                raise InputError(f"{path}: is empty ({option}); {ABSENT}")


def _check_output(path: Path, option: str, kind: Kind) -> None:
    if path == Path() or (path.exists() and path.is_dir() == (kind == "file")):
        raise InputError(f"{path}: {option} needs a {kind} to write; name another")
    above = next(folder for folder in [path.absolute(), *path.absolute().parents][kind == "file" :] if folder.exists())
    try:
        TemporaryFile(dir=above).close()
    except OSError as error:
        raise InputError(
            f"{path}: {above} cannot be written: {error.strerror} ({option}); name another place, or mend this one"
        ) from None
