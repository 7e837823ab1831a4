"""Define the errors that this project raises on purpose, with messages that name mistake, place and remedy.

Library code raises these for users' mistakes and uses `assert` for its own invariants.
"""

import errno
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path

# Control characters except tabs and line feeds, and characters that change a text's direction.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class IterPrefError(Exception):
    """The root of all errors that this project raises on purpose."""


class InputError(IterPrefError):
    """Bad input or configuration. Exit code 2."""


class RecordError(InputError):
    """A JSONL record that cannot be used; the message starts with `file:line`."""


class ConfigError(InputError):
    """A parameter that is unknown, missing or out of range."""


class ModelError(InputError):
    """A model or tokenizer that is absent or cannot be used here."""


class StorageError(InputError):
    """A full disk, or a folder that must not be written; the run can go on later."""


class DataUnavailableError(InputError):
    """A benchmark's data file is neither given, nor cached, nor downloadable."""


class UnansweredError(InputError):
    """A benchmark without any answer: a server refused all prompts, or a file has samples of other tasks."""


class EndpointError(IterPrefError):
    """A served model that cannot be reached, though it was asked again; received answers are kept."""


class BudgetError(IterPrefError):
    """A cap of `budget` that the next call of a model might exceed; received answers are kept."""


class TrainingError(IterPrefError):
    """A training that diverged before its first checkpoint, and so has no model to write."""


class ExecutionError(IterPrefError):
    """A failure of the execution engine; the program that was running is not to blame."""


class IsolationError(ExecutionError):
    """A required isolation layer that this machine lacks."""


# Error number of the operating system → the advice for the user.
_STORAGE = {
    errno.ENOSPC: "free some space and run again; what was finished is kept",
    errno.EDQUOT: "free some space and run again; what was finished is kept",
    errno.EFBIG: "raise the limit of a file's size (`ulimit -f`), or write to a disk without one",
    errno.EIO: "check the disk, and the limit of a file's size (`ulimit -f`)",
    errno.EROFS: "a run writes into its workspace; use a writable one",
    errno.EACCES: "change the permissions, or run as the user who has them",
}

# Words of libraries about storage → error number. `Permission denied` is missing, since servers use it as well.
_IN_WORDS = {
    os.strerror(errno.ENOSPC): errno.ENOSPC,
    os.strerror(errno.EDQUOT): errno.EDQUOT,
    os.strerror(errno.EFBIG): errno.EFBIG,
    os.strerror(errno.EROFS): errno.EROFS,
    # SQLite's words.
    "database or disk is full": errno.ENOSPC,
    "disk I/O error": errno.EIO,
    "attempt to write a readonly database": errno.EROFS,
    # torch.save's words: the first while it writes, the second when it closes the file.
    "PytorchStreamWriter failed writing file": errno.ENOSPC,
    "inline_container.cc": errno.ENOSPC,
}


def storage_error(error: BaseException, place: str = "") -> StorageError | None:
    """Return a `StorageError` for the user if a full disk or a read-only folder caused an error, else None.

    Libraries wrap these errors in their own, so the causes of an error count as well.

    Args:
        error: the error.
        place: the path that is written, for an error that names none.
    """
    # "I/O error: No space left on device (os error 28)" of a library in Rust has no number, only these words.
    # Look at the error and at each of its causes, the outermost first.
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, StorageError):
            return cause
        where = place
        if isinstance(cause, OSError):
            number = cause.errno or 0
            if isinstance(cause.filename, str | bytes):
                where = os.fsdecode(cause.filename)
        else:
            number = storage_errno(str(cause))
        if number in _STORAGE:
            return StorageError(storage_message(number, where))
        # As a traceback shows it: of `raise … from cause`, of `raise … from None`, and else.
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return None


def storage_errno(text: str) -> int:
    """Return the error number of the operating system for a text about storage, or 0 for any other text.

    >>> storage_errno("I/O error: No space left on device (os error 28)") == errno.ENOSPC
    True
    """
    for words, number in _IN_WORDS.items():
        if words in text:
            return number
    return 0


def storage_message(number: int, where: str = "") -> str:
    """Return one line for the user about an error of storage. Without a path it names the folders in question."""
    where = where or f"{Path.cwd()} or {tempfile.gettempdir()}"
    return f"{where}: {os.strerror(number)}; {_STORAGE[number]}"


def printable_text(text: str) -> str:
    r"""Return a text for a terminal, with control characters as Python writes them: they could clear the screen.

    >>> print(printable_text("a\x1b[2J"))
    a\x1b[2J
    """
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or the name of its class if the message is empty.

    A first line that ends with a colon brings the second line along.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    # "Error while reading file:" needs the line after it.
    if lines[0].endswith(":"):
        return " ".join(lines[:2])
    return lines[0]


def unknown_name(kind: str, name: str, names: Iterable[str]) -> str:
    """Return the message for an unknown name, with the nearest known name or with all of them.

    >>> unknown_name("stage", "traning", ["pairs", "training"])
    "no stage 'traning'; did you mean 'training'?"
    """
    # "traning" is near "training"; for a name that is near none, list all.
    known = list(names)
    near = get_close_matches(name, known, n=1)
    if not known:
        return f"no {kind} {name!r}"
    remedy = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
    return f"no {kind} {name!r}; {remedy}"


@contextmanager
def model_errors(checkpoint: object, part: str) -> Iterator[None]:
    """Turn the errors of a library that reads a part of a checkpoint into errors of this project.

    Args:
        checkpoint: the name of the checkpoint for the user.
        part: the part that is read, such as `tokenizer`.

    Raises:
        ModelError: the part cannot be read; the message repeats the library's reason.
        StorageError: the disk is full, or must not be read.
    """
    try:
        yield
    except (InputError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - parsers of tokenizers, weights and templates have errors of their own
        reason = f"{checkpoint}: no usable {part} ({first_line(error)})"
        remedy = "correct it, download the checkpoint again, or ask for access to it on the hub (`hf auth login`)"
        raise storage_error(error) or ModelError(f"{reason}; {remedy}") from None
