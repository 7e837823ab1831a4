"""Source: the commit that a run starts from, and the user's changes since."""

from collections.abc import Mapping
from typing import Any

import yaml
from pydantic import BaseModel

from tasks.dotted_keys import flatten, short_names
from tasks.git.command import GitError, git
from tasks.paths import LOCK, PARAMS

UNKNOWN = "unknown"
NAMED_CHANGES = 4
"""Number of changed parameters that a run's name lists; further ones are counted."""
_VALUE_CHARS = 30
"""Characters of a value in a run's name; a longer one, such as a path, is named by its end."""


class Source(BaseModel, frozen=True):
    """The code and the parameters of a run.

    Attributes:
        commit: the commit's digest, or `unknown`: without git, without a commit, or where git refuses the folder.
        branch: its name, or `unknown`.
        dirty: `true` if code or parameters differ from the commit, otherwise `false`, or `unknown`.
        changes: parameters that differ from those of the commit, by dotted key.
    """

    commit: str = UNKNOWN
    branch: str = UNKNOWN
    dirty: str = UNKNOWN
    changes: dict[str, Any] = {}


def observe_source(values: Mapping[str, Any] | None = None) -> Source:
    """Return the source of a run in the present folder.

    Args:
        values: parameters that the run sets itself, by dotted key.
    """
    state = _read_git("status", "--porcelain=v2", "--branch", "--untracked-files=normal", "--", ".")
    if state is None:
        return Source(changes=dict(values or {}))
    headers = {}
    changed = []
    # # branch.oid a1b2c3d4…
    # # branch.head main
    # 1 .M N... 100644 100644 100644 e69de29… e69de29… params.yaml
    for line in state.splitlines():
        if line.startswith("# branch."):
            name, _, value = line.removeprefix("# branch.").partition(" ")
            headers[name] = value
        elif not line.startswith("#") and not line.endswith(LOCK.name):
            # DVC writes its lock while stages run, so a changed lock is no change by the user.
            changed.append(line)
    commit = headers.get("oid", UNKNOWN)
    if commit == "(initial)":
        commit = UNKNOWN
    return Source(
        commit=commit,
        branch=headers.get("head", UNKNOWN),
        dirty=str(bool(changed)).lower(),
        changes=_changed_params() | dict(values or {}),
    )


def name_run(command: str, source: Source) -> str:
    """Return a name for a run: its changed parameters, or else its command and commit.

    Args:
        command: the command, such as `iterpref run`.
        source: commit and changes.

    >>> name_run("dvc repro", Source(commit="a1b2c3d4e5f6"))
    'dvc repro a1b2c3d'
    >>> name_run("iterpref run", Source(changes={"training.beta": 0.3, "training.objectives.dpo.alpha": 1.0}))
    'beta=0.3 alpha=1.0'
    >>> name_run("iterpref run", Source(changes={"model.student": "/home/somebody/checkpoints/starcoder2-7b"}))
    'student=…body/checkpoints/starcoder2-7b'
    """
    if not source.changes and source.commit == UNKNOWN:
        return command
    if not source.changes:
        return f"{command} {source.commit[:7]}"
    names = short_names(source.changes)
    words = []
    for key, value in source.changes.items():
        text = str(value)
        if len(text) > _VALUE_CHARS:
            text = "…" + text[-_VALUE_CHARS:]
        words.append(f"{names[key]}={text}")
    if len(words) > NAMED_CHANGES:
        words[NAMED_CHANGES:] = [f"and {len(words) - NAMED_CHANGES} more"]
    return " ".join(words)


def _changed_params() -> dict[str, Any]:
    """Return the parameters of params.yaml that differ from the commit's, by dotted key."""
    committed = _read_git("show", f"HEAD:./{PARAMS}")
    if committed is None or not PARAMS.is_file():
        return {}
    present = PARAMS.read_text(encoding="utf-8")
    before = dict(flatten(yaml.safe_load(committed) or {}))
    now = dict(flatten(yaml.safe_load(present) or {}))
    return {key: value for key, value in now.items() if before.get(key) != value}


def _read_git(*arguments: str) -> str | None:
    """Return git's output in the present folder; None where git is missing or refuses."""
    try:
        return git(*arguments).decode("utf-8", "replace")
    except GitError:
        return None
