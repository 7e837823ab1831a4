"""Errors that this project raises on purpose; every message says what was wrong, where, and what to do.

Library code raises these for users' mistakes and uses `assert` for its own invariants.
"""

import errno
import os
import tempfile
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path


class IterPrefError(Exception):
    """Root of everything this project raises on purpose."""


class InputError(IterPrefError):
    """Bad input or configuration. Exit code 2."""


class RecordError(InputError):
    """A JSONL record that cannot be used; the message starts with `file:line`."""


class ConfigError(InputError):
    """A parameter that is unknown, missing or out of range."""


class ModelError(InputError):
    """A model or tokenizer that is absent or cannot be used here."""


class StorageError(InputError):
    """A disk that is full, or a folder that must not be written: not the program's fault, and it can go on later."""


class DataUnavailableError(InputError):
    """A benchmark's data file is neither given, nor cached, nor downloadable."""


class EndpointError(IterPrefError):
    """A served model cannot be had, and asking again did not help; nothing that was received is lost."""


class BudgetError(IterPrefError):
    """The next call of a model might exceed a cap of `budget`; nothing that was received is lost."""


class RefusedError(IterPrefError):
    """A served model will not answer one prompt, such as one that is too long for it."""


class TrainingError(IterPrefError):
    """Training diverged before its first checkpoint: there is no model to write."""


class ExecutionError(IterPrefError):
    """The execution engine failed; says nothing about the program it was running."""


class IsolationError(ExecutionError):
    """A required isolation layer is missing on this machine."""


_STORAGE = {
    errno.ENOSPC: "free some space and run again; what was finished is kept",
    errno.EDQUOT: "free some space and run again; what was finished is kept",
    errno.EROFS: "a run writes into its workspace; use one that can be written",
    errno.EACCES: "change the permissions, or run as the user who has them",
}
"""What to do about an error of the operating system that is about storage."""

_IN_WORDS = {
    **{os.strerror(number): number for number in (errno.ENOSPC, errno.EDQUOT, errno.EROFS)},
    "database or disk is full": errno.ENOSPC,  # SQLite
    "attempt to write a readonly database": errno.EROFS,
    "PytorchStreamWriter failed writing file": errno.ENOSPC,
    "inline_container.cc": errno.ENOSPC,  # torch.save again: what it says when it cannot close the file
}
"""How libraries that raise errors of their own say so. `Permission denied` is not among them: servers say it, too."""


def storage_error(error: BaseException) -> StorageError | None:
    """What a full disk or a read-only folder caused, as the user's error; None where something else did.

    Libraries wrap such errors in their own, so the causes of an error count too.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, StorageError):
            return cause
        number = (cause.errno or 0) if isinstance(cause, OSError) else storage_errno(str(cause))
        if number in _STORAGE:
            name = cause.filename if isinstance(cause, OSError) else None
            return StorageError(storage_message(number, os.fsdecode(name) if isinstance(name, str | bytes) else ""))
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return None


def storage_errno(text: str) -> int:
    """The error of the operating system that a text tells of if it is about storage, otherwise 0.

    >>> storage_errno("I/O error: No space left on device (os error 28)") == errno.ENOSPC
    True
    """
    return next((number for words, number in _IN_WORDS.items() if words in text), 0)


def storage_message(number: int, where: str = "") -> str:
    """One line for the user about an error of storage; of the folders it may be about where its path is not known."""
    where = where or f"{Path.cwd()} or {tempfile.gettempdir()}"
    return f"{where}: {os.strerror(number)}; {_STORAGE[number]}"


def first_line(error: BaseException) -> str:
    """The first line of what an error says, and the one behind a colon; its name where it says nothing."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]


def unknown_name(kind: str, name: str, names: Iterable[str]) -> str:
    """The message for a name that is not there: the nearest that is, or all of them.

    >>> unknown_name("stage", "traning", ["pairs", "training"])
    "no stage 'traning'; did you mean 'training'?"
    """
    known = list(names)
    near = get_close_matches(name, known, n=1)
    remedy = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
    return f"no {kind} {name!r}; {remedy}"
