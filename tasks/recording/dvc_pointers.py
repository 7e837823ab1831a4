"""Pointers to what DVC holds: path, size, md5 and remote of each output, and the line that fetches it."""

import os
import shlex
from configparser import ConfigParser
from dataclasses import dataclass
from pathlib import Path

from tasks.recording.outbox import public_address

POINTERS = "outputs.md"
"""The page's name among a run's artifacts."""


@dataclass(frozen=True)
class Pointer:
    """An output as DVC knows it: its path, the md5 in dvc.lock, and in words what is shown of it beside the page."""

    path: Path
    md5: str
    shown: str


def pointers_page(stage: str, pointers: list[Pointer], experiment: str | None) -> str:
    """A page in Markdown: the outputs of a stage, and how to get them.

    Args:
        stage: its name.
        pointers: its outputs.
        experiment: the DVC experiment that has them; None for the present folder.
    """
    rows = [
        f"| `{item.path.as_posix()}` | {_size_of(item.path):,} | `{item.md5}` | {item.shown} |" for item in pointers
    ]
    source = Path(os.environ.get("DVC_ROOT", ".")) if experiment else Path()
    where = shlex.quote(str(source.absolute()))
    revision = f" --rev {shlex.quote(experiment)}" if experiment else ""
    lines = [f"dvc get{revision} {where} {shlex.quote(item.path.as_posix())}" for item in pointers]
    held = (
        "They are those of that DVC experiment."
        if experiment
        else "They bring what that folder has now: of this run if `dvc.lock` there still has the md5 above. With the "
        "`dvc.lock` of the experiment's run in its place, `dvc checkout` brings back just these."
    )
    return "\n".join(
        [
            f"# Outputs of {stage}",
            "",
            "| path | bytes | md5 in DVC | beside this page |",
            "|---|---:|---|---|",
            *rows,
            "",
            f"DVC holds the bytes: in its cache, and after `dvc push` at {_remote()}. These lines fetch them:",
            "",
            "```",
            *lines,
            "```",
            held,
            "",
        ]
    )


def _size_of(path: Path) -> int:
    """Bytes of a file, or of all files of a folder."""
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file())


def _remote() -> str:
    """The default remote, from the settings of the repository; those that git ignores come last."""
    config = ConfigParser(interpolation=None)
    config.read([".dvc/config", ".dvc/config.local"], encoding="utf-8")
    name = config.get("core", "remote", fallback=None)
    if name is None:
        return "a remote, of which `.dvc/config` names none"
    address = config.get(f"'remote \"{name}\"'", "url", fallback="an unknown address")
    folder = Path(".dvc", address)  # where it is no address, it is relative to the file that names it
    return f"the remote `{name}` (`{public_address(address) if '://' in address else folder.resolve()}`)"
