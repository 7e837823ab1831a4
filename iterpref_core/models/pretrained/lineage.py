"""Model lineage: the record of a checkpoint's origin, written beside its weights."""

import platform
import re
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from iterpref_core.records import ModelLineage
from iterpref_core.records.errors import InputError
from iterpref_core.records.input_files import parse_yaml, read_text
from iterpref_core.storage.jsonl import atomic_writer, describe_validation_error

CARD = "README.md"
"""A model's own card."""
_FRONT = re.compile(r"\s*---\r?\n(.*?)\r?\n---\s", re.DOTALL)
"""The fields of a card: YAML between two lines of dashes, before anything else."""
LINEAGE = "lineage.json"
"""The record's file. It holds no time and no folder of this machine: the same input gives the same bytes."""


def write_lineage(folder: Path, lineage: ModelLineage) -> None:
    """Write the record into a checkpoint's folder."""
    with atomic_writer(folder / LINEAGE) as file:
        file.write(lineage.model_dump_json(indent=2, exclude_none=True) + "\n")


def read_lineage(folder: Path | str) -> ModelLineage | None:
    """Return the record of a checkpoint's folder; None if there is none.

    Raises:
        InputError: the file is no such record.
    """
    path = Path(folder) / LINEAGE
    try:
        return ModelLineage.model_validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValidationError as error:
        raise InputError(f"{path}: {describe_validation_error(error)}; remove the file, or train again") from None


def ancestors(lineage: ModelLineage) -> Iterator[ModelLineage]:
    """Yield a record, the record of the model from which its training started, and so on."""
    record: ModelLineage | None = lineage
    while record is not None:
        yield record
        record = record.before


def training_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that decide trained weights."""
    packages = ("peft", "tokenizers", "torch", "transformers", "trl")
    return {"python": platform.python_version()} | {name: version(name) for name in packages}


def find_license(base: str) -> str | None:
    """Return the license that a model's own card names, from its folder or the hub's cache; None if none is known."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        card: Any = Path(base) / CARD
        if not Path(base).is_dir():
            card = try_to_load_from_cache(base, CARD)
        if not isinstance(card, str | Path) or not Path(card).is_file():
            return None
        front = _FRONT.match(read_text(Path(card)))
        fields = parse_yaml(front[1]) if front else None
    except (HFValidationError, InputError):
        return None
    if not isinstance(fields, dict):
        return None
    license = fields.get("license_name") or fields.get("license")
    return license if isinstance(license, str) else None
