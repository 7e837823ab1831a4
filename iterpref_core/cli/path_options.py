"""Path options of verbs: every input is looked at, and every output tried, before any work; no path is used twice.

Click calls these callbacks in turn when it reads a command line. What they have seen of one call is kept in its
context, so that each path is compared with those before.
"""

import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Literal, NamedTuple

import typer

from iterpref_core.errors import InputError
from iterpref_core.input_files import ABSENT, open_input

Kind = Literal["file", "folder", "file or folder", "path or name"]
Callback = Callable[[typer.Context, typer.CallbackParam, Any], Any]

LONGEST_NAME = 200
"""Bytes of an output's name: what is unfinished lies beside it, under names that are longer."""

_SEEN_HERE = "iterpref_core.cli.path_options"


class Seen(NamedTuple):
    """A path of this call, how it is named there, and whether the verb writes it."""

    path: Path
    option: str
    written: bool

    def lies_below(self, other: "Seen") -> bool:
        """Whether it is inside of what the other one names."""
        return Path(os.path.realpath(other.path)) in Path(os.path.realpath(self.path)).parents


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
        for one in value if isinstance(value, list | tuple) else [value] if value is not None else []:
            if written:
                _check_output(Path(one), option, kind)
            elif stated:
                _check_input(one, option, kind)
            if kind != "path or name" or Path(one).exists():
                _claim(context, Seen(Path(one), option, written))
        return value

    return check


def _check_input(given: Path | str, option: str, kind: Kind) -> None:
    path = Path(given)
    if not str(given).strip():
        raise InputError(f"{option} is empty; name what to read")
    if not path.exists():
        if kind == "path or name":
            return
        raise InputError(f"{path}: no such {kind} ({option}); {ABSENT}")
    if path.is_dir():
        if kind == "file":
            raise InputError(f"{path}: is a folder ({option}); a file is needed")
        return
    if kind == "folder":
        raise InputError(f"{path}: is a file ({option}); a folder is needed")
    if not path.is_file():
        raise InputError(
            f"{path}: is no file but a pipe or device ({option}), and is read more than once; save it first"
        )
    with open_input(path) as file:
        if not any(block.strip() for block in iter(lambda: file.read(1 << 16), b"")):
            raise InputError(f"{path}: is empty ({option}); {ABSENT}")


def _check_output(path: Path, option: str, kind: Kind) -> None:
    if path == Path():  # what an empty text is, too
        raise InputError(f"{option}: is empty or the present folder; name a {kind} to write")
    if path.is_dir() and kind == "file":
        raise InputError(f"{path}: is a folder ({option}); name a file to write")
    if path.exists() and not path.is_dir() and (kind == "folder" or not path.is_file()):
        raise InputError(
            f"{path}: is there and no {'folder' if kind == 'folder' else 'plain file'} ({option}); name another"
        )
    if len(os.fsencode(path.name)) > LONGEST_NAME:
        raise InputError(f"{path}: its name is too long ({option}); name another")
    places = [path.absolute(), *path.absolute().parents][kind == "file" :]
    above = next(folder for folder in places if os.path.lexists(folder))
    if not above.is_dir():
        raise InputError(f"{path}: {above} is no folder ({option}); correct the path")
    try:
        TemporaryFile(dir=above).close()
    except OSError as error:
        raise InputError(
            f"{path}: {above} cannot be written: {error.strerror} ({option}); name another place, or mend this one"
        ) from None


def _claim(context: typer.Context, new: Seen) -> None:
    """Refuse a path that is written and named by another option of this call, be it by a link or in other words."""
    seen: list[Seen] = context.meta.setdefault(_SEEN_HERE, [])
    for other in seen:
        if (new.written or other.written) and _same(new.path, other.path):
            raise InputError(f"{new.path}: {other.option} and {new.option} name the same; give each its own")
        if new.written and other.written and (new.lies_below(other) or other.lies_below(new)):
            raise InputError(f"{new.path}: one of {other.option} and {new.option} is inside the other; keep them apart")
    seen.append(new)


def _same(one: Path, other: Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(other) or (one.exists() and other.exists() and one.samefile(other))
