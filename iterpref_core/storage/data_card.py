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

import yaml

from iterpref_core.records.input_files import parse_yaml

_CARD = "README.md"
_FENCE = "---"
_DEFAULT = "default"
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
    configs: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)


def read_card(folder: Path) -> DataCard:
    """Return the card in a folder; an empty one if there is no README, or if it has no card."""
    try:
        text = (folder / _CARD).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return DataCard()
    before, *rest = text.split(f"{_FENCE}\n", 2)
    if before.strip() or len(rest) != 2:
        return DataCard()
    try:
        stated = parse_yaml(rest[0])
    except (yaml.YAMLError, ValueError, RecursionError):
        return DataCard()
    if not isinstance(stated, Mapping):
        return DataCard()
    configs = {}
    for entry in _entries(stated.get("configs")):
        patterns = _patterns(entry)
        if patterns:
            configs[str(entry.get("config_name", _DEFAULT))] = patterns
    return DataCard(_license(stated), configs)


def _entries(value: Any) -> list[Mapping[str, Any]]:
    return [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, list) else []


def _patterns(entry: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return the patterns of a configuration's files by split; those without a split are of `train`, as on the hub."""
    stated = entry.get("data_files")
    if stated is None:
        # All files of a folder, whose names state their splits.
        return {"": (f"{str(entry['data_dir']).rstrip('/')}/**/*",)} if entry.get("data_dir") else {}
    if isinstance(stated, Mapping):
        return {str(split): _texts(paths) for split, paths in stated.items()}
    splits = {str(each.get("split", "train")): _texts(each.get("path")) for each in _entries(stated)}
    return splits or {"train": _texts(stated)}


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list) else (str(value),)


def _license(stated: Mapping[str, Any]) -> str | None:
    """Return the license in SPDX's letters; of several, all must be kept to; None if the card leaves it open."""
    value = stated.get("license")
    names = [str(name) for name in (value if isinstance(value, list) else [value]) if name not in (None, "unknown")]
    known = {name.lower(): name for name in _SPDX}
    own = stated.get("license_name")
    written = [str(own) if name == "other" and own else known.get(name.lower(), name) for name in names]
    return " AND ".join(written) or None
