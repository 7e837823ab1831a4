"""Read and write the record of a checkpoint's origin, which is next to its weights."""

import platform
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from pydantic import ValidationError

from iterpref_core.records import InputError, ModelLineage
from iterpref_core.storage.jsonl import describe_validation_error, write_text

from .checkpoints import EMBEDDED

LINEAGE = "lineage.json"
"""The record's file. It holds no time and no folder of this machine: the same input gives the same bytes."""


def write_lineage(folder: Path, lineage: ModelLineage) -> None:
    """Write the record into a checkpoint's folder."""
    write_text(folder / LINEAGE, lineage.model_dump_json(indent=2, exclude_none=True) + "\n")


def read_lineage(folder: Path | str) -> ModelLineage | None:
    """Return the record of a checkpoint's folder; None without a record.

    Raises:
        InputError: the file is not a record of this kind.
    """
    path = Path(folder) / LINEAGE
    try:
        return ModelLineage.model_validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValidationError as error:
        raise InputError(f"{path}: {describe_validation_error(error)}; remove the file, or train again") from None


def is_embedded(model: Path | str) -> bool:
    """Return True for an embedded model, or a model trained from it."""
    lineage = read_lineage(model)
    return str(model) == EMBEDDED or (lineage is not None and [*ancestors(lineage)][-1].base == EMBEDDED)


def ancestors(lineage: ModelLineage) -> Iterator[ModelLineage]:
    """Yield a record, the record of the model that its training started from, and so on."""
    # A model trained twice has the record of the first training inside of its own.
    record: ModelLineage | None = lineage
    while record is not None:
        yield record
        record = record.before


def training_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that decide trained weights."""
    packages = ("peft", "tokenizers", "torch", "transformers", "trl")
    return {"python": platform.python_version()} | {name: version(name) for name in packages}
