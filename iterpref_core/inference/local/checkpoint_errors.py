"""Checkpoint errors: one message for whatever libraries raise about a part of a checkpoint that they cannot read."""

from collections.abc import Iterator
from contextlib import contextmanager
from pickle import UnpicklingError

from iterpref_core.errors import InputError, ModelError, first_line, storage_error

_LOG_IN = "log in with `hf auth login`, or set HF_TOKEN to a token that may read it"


@contextmanager
def reading(
    checkpoint: object, part: str, remedy: str = "correct it, or download the checkpoint again"
) -> Iterator[None]:
    """While a library reads a part of a checkpoint, such as its tokenizer; `checkpoint` is what the user knows it by.

    Raises:
        ModelError: what cannot be read, why, and what to do where that is known.
        StorageError: the disk is full, or must not be read.
    """
    try:
        yield
    except (InputError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - parsers of tokenizers, weights and templates have errors of their own
        if (of_storage := storage_error(error)) is not None:
            raise of_storage from None
        reason = (
            "a pickle that is cut off, or holds more than weights"
            if isinstance(error, UnpicklingError)
            else first_line(error)
        )
        if not (known := hub_remedy(error)) and not isinstance(error, ImportError):  # which says itself what to install
            known = f"; {remedy}"
        raise ModelError(f"{checkpoint}: no usable {part} ({reason}){known}") from None


def hub_remedy(error: BaseException) -> str:
    """What to do about a refusal of the hub, which may be the cause of what was raised; empty for other errors."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    cause: BaseException | None = error
    while cause is not None:
        match cause:
            case GatedRepoError():
                return f"; it is gated: accept its license on its page of the hub, then {_LOG_IN}"
            case RepositoryNotFoundError():
                return f"; correct the name or, if it is private, {_LOG_IN}"
            case RevisionNotFoundError():
                return "; behind the @ of its name give a commit, tag or branch that it has"
        cause = cause.__cause__
    return ""
