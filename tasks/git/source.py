"""Identify the code of a run by its commit and the user's changes since."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel

from iterpref_core.records import ConfigError, InputError, digest_of, flatten, parse_yaml, profile_values
from tasks.changed_values import changed_values, describe_values
from tasks.paths import LOCK, PARAMS

from .command import GitError, git
from .files import check_hidden, new_files

UNKNOWN = "unknown"
REMOVED = "removed"
"""The recorded value of a parameter that only the commit has."""
_NAME_CHARS = 80
"""Characters of a run's name; the rest is in the run's parameters."""


class Source(BaseModel, frozen=True):
    """The code and the parameters of a run.

    Attributes:
        commit: the commit's digest, or `unknown`: without git, without a commit, or where git refuses the folder.
        dirty: `true` if code or parameters differ from the commit, otherwise `false`, or `unknown`.
        edits: digest of the differences between the code and the commit; empty without differences.
        changes: parameters that differ from the commit's, by dotted key.
    """

    commit: str = UNKNOWN
    dirty: str = UNKNOWN
    edits: str = ""
    changes: dict[str, Any] = {}

    @property
    def state(self) -> str:
        """A short name of commit and changes, which keeps the results of different states apart.

        >>> Source(commit="a1b2c3d4e5f6").state
        'a1b2c3d'
        >>> Source(commit="a1b2c3d4e5f6", edits="0123abc", changes={"training.beta": 0.3}).state
        'a1b2c3d-aba1cf'
        """
        if not self.edits and not self.changes:
            return self.commit[:7]
        return f"{self.commit[:7]}-{digest_of([self.edits, self.changes], 6)}"

    @property
    def described_commit(self) -> str | None:
        """The commit for a record of results, with `, edited` if code differs from it; None if it is unknown."""
        if self.commit == UNKNOWN:
            return None
        return f"{self.commit}, edited" if self.edits else self.commit

    def with_values(self, values: Mapping[str, Any]) -> Self:
        """Return the source of a run that sets parameters itself. They come first, as the run's name may be cut.

        Args:
            values: parameters by dotted key.
        """
        others = {key: value for key, value in self.changes.items() if key not in values}
        return self.model_copy(update={"changes": {**values, **others}})


def code_tags(sources: Sequence[Source]) -> dict[str, str]:
    """Return MLflow's tags of the code that a command or a stage has run with.

    Args:
        sources: what was there, in order. Two commits, if the user has committed or pulled meanwhile.
    """
    edits = {(source.commit, source.edits) for source in sources}
    return {
        "mlflow.source.git.commit": ", ".join(dict.fromkeys(source.commit for source in sources)),
        "mlflow.source.git.dirty": sources[0].dirty if len(edits) == 1 else "true",
    }


def observe_source() -> Source:
    """Return the source of a run in the present folder."""
    try:
        # The image's own commit names the original commit of the sources (docker/Dockerfile).
        *_, commit = git("log", "-1", "--format=%H%n%(trailers:key=Source-Commit,valueonly)").decode().split()
        check_hidden(Path())
        edits = _digest_of_edits(new_files(Path())[0])
    except GitError:  # also before the first commit
        return Source()
    changes = _changed_params()
    return Source(commit=commit, dirty=str(bool(edits or changes)).lower(), edits=edits, changes=changes)


def name_run(command: str, source: Source) -> str:
    """Return a name for a run: its command, and its first two changed parameters or else its commit.

    Parameters count that differ from the profile, if that has changed as well.

    Args:
        command: the command, such as `iterpref run`.
        source: commit and changes.

    >>> name_run("dvc repro", Source(commit="a1b2c3d4e5f6"))
    'dvc repro a1b2c3d'
    >>> name_run("iterpref run", Source(changes={"training.beta": 0.3, "training.objectives.dpo.alpha": 1.0}))
    'iterpref run beta=0.3 objectives.dpo.alpha=1.0'
    """
    if not source.changes:
        return command if source.commit == UNKNOWN else f"{command} {source.commit[:7]}"
    from tasks.profiles import PROFILES

    usual: dict[str, Any] = {}
    if "profile" in source.changes:
        with suppress(ConfigError):  # a profile of one's own that is gone
            usual = profile_values(str(source.changes["profile"]), PROFILES)
    unusual = changed_values(source.changes, usual)
    name = f"{command} {describe_values(dict(islice(unusual.items(), 2)))}"
    return name if len(name) <= _NAME_CHARS else f"{name[:_NAME_CHARS]}…"


def _digest_of_edits(added: list[bytes]) -> str:
    """Return a digest of the changed files without params.yaml, whose values count, and not its comments.

    Args:
        added: new files that count.
    """
    # DVC writes its locks while stages run, so the user has not changed them.
    files = (".", f":(exclude,glob)**/{LOCK}", f":(exclude,literal){PARAMS}")
    changed = git("diff", "--binary", "--no-ext-diff", "--no-textconv", "HEAD", "--", *files)
    # New files of the pipeline are edits, except DVC's own locks.
    for path in map(Path, map(os.fsdecode, added)):
        if path.name != LOCK.name:
            changed += os.fsencode(path) + _stamp(path)
    return hashlib.sha256(changed).hexdigest()[:32] if changed else ""


def _stamp(path: Path) -> bytes:
    """Return size and time of a file. A file that git does not know may be too large to be read for each stage."""
    try:
        found = path.stat()
    except OSError:
        return b""
    return f" {found.st_size} {found.st_mtime_ns}".encode()


def _changed_params() -> dict[str, Any]:
    """Return the parameters of params.yaml that differ from the commit's, by dotted key; a removed one as `REMOVED`."""
    try:
        committed = git("show", f"HEAD:./{PARAMS}")
    except GitError:  # no commit, or none with this file
        return {}
    present = PARAMS.read_bytes() if PARAMS.is_file() else committed
    if present == committed:  # most often; to read YAML takes longer than all else here
        return {}
    before, now = map(_values_of, (committed, present))
    changes = changed_values(now, before)
    # If `lora: null` becomes `lora: {r: 16}`, the key `lora` was not removed.
    sections = {key.rpartition(".")[0] for key in now}
    return changes | {key: REMOVED for key in before if key not in now and key not in sections}


def _values_of(content: bytes) -> dict[str, Any]:
    """Return the parameters of a file; none if it is broken, as with the marks of a conflict in it."""
    try:
        values = parse_yaml(content.decode("utf-8"))
    except (InputError, UnicodeDecodeError):
        return {}
    return dict(flatten(values)) if isinstance(values, dict) else {}
