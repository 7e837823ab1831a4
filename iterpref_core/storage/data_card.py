"""Data card: the README of a published set, which names its configurations, their files and the license.

---
license: mit
configs:
- config_name: full
  data_files:
  - split: train
    path: full/train-*
---
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from iterpref_core.records.errors import InputError
from iterpref_core.records.input_files import parse_yaml

_SPDX = (
    *("MIT", "Apache-2.0", "ISC", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "CC-BY-4.0", "CC-BY-SA-4.0"),
    *("CC-BY-NC-4.0", "CC-BY-NC-SA-4.0", "GPL-3.0", "LGPL-3.0", "AGPL-3.0", "MPL-2.0", "ODC-By"),
)
"""Licenses as SPDX writes them; the hub has their names in small letters."""


@dataclass(frozen=True)
class DataCard:
    """A card.

    Attributes:
        license: SPDX of the set, if the card states one.
        configs: configuration → split → patterns of its files, relative to the card's folder.
    """

    license: str | None = None
    configs: Mapping[str, Mapping[str, list[str]]] = field(default_factory=dict)


def find_license(source: Path) -> str | None:
    """Return the license on the card of a file or folder, which may stand above, as that of `data/train.jsonl`."""
    folder = source if source.is_dir() else source.parent
    licenses = (read_card(above).license for above in (folder, *folder.parents[:2]))
    return next(filter(None, licenses), None)


def read_card(folder: Path) -> DataCard:
    """Return the card in a folder; an empty one if there is no README, or if it has no card of this form."""
    try:
        text = (folder / "README.md").read_text(encoding="utf-8-sig")
        _, header, _ = text.split("---\n", 2)
        stated = parse_yaml(header)
        # Old cards have mere names of configurations.
        configs = [each for each in stated.get("configs") or [] if isinstance(each, Mapping) and "data_files" in each]
        splits = {str(each.get("config_name", "default")): _splits(each["data_files"]) for each in configs}
        return DataCard(_license(stated), splits)
    except (OSError, ValueError, TypeError, LookupError, AttributeError, InputError):
        return DataCard()


def _splits(data_files: Any) -> dict[str, list[str]]:
    """Return the patterns of the files by split; files without a split are of `train`, as on the hub."""
    if isinstance(data_files, Mapping):
        data_files = [{"split": split, "path": path} for split, path in data_files.items()]
    found: dict[str, list[str]] = {}
    for each in _listed(data_files):
        stated = each if isinstance(each, Mapping) else {"path": each}
        found.setdefault(stated.get("split", "train"), []).extend(_listed(stated["path"]))
    return found


def _license(stated: Mapping[str, Any]) -> str | None:
    """Return the license in SPDX's letters; of several, all must be kept to; None if the card leaves it open."""
    known = {name.lower(): name for name in _SPDX} | {"other": stated.get("license_name") or "other"}
    names = [name for name in _listed(stated.get("license") or []) if name != "unknown"]
    return " AND ".join(known.get(str(name).lower(), str(name)) for name in names) or None


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
