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

import yaml
from pydantic import BaseModel, ValidationError

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


class _Files(BaseModel):
    """The files of a split; those without a split are of `train`, as on the hub."""

    split: str = "train"
    path: str | list[str]


class _Config(BaseModel):
    """A configuration."""

    config_name: str = "default"
    data_files: str | list[str] | list[_Files]

    @property
    def patterns(self) -> dict[str, list[str]]:
        """Return the patterns of the files by split."""
        files = self.data_files if isinstance(self.data_files, list) else [self.data_files]
        found: dict[str, list[str]] = {}
        for each in files:
            stated = _Files(path=each) if isinstance(each, str) else each
            paths = [stated.path] if isinstance(stated.path, str) else stated.path
            found.setdefault(stated.split, []).extend(paths)
        return found


class _Header(BaseModel):
    """The fields of a card that are read."""

    license: str | list[str] | None = None
    license_name: str | None = None
    configs: list[_Config] = []

    @property
    def spdx(self) -> str | None:
        """Return the license in SPDX's letters; of several, all must be kept to; None if the card leaves it open."""
        known = {name.lower(): name for name in _SPDX} | {"other": self.license_name or "other"}
        names = self.license if isinstance(self.license, list) else [self.license or "unknown"]
        return " AND ".join(known.get(name.lower(), name) for name in names if name != "unknown") or None


def read_card(folder: Path) -> DataCard:
    """Return the card in a folder; an empty one if there is no README, or if it has no card of this form."""
    try:
        text = (folder / "README.md").read_text(encoding="utf-8-sig")
        _, header, _ = text.split("---\n", 2)
        stated = _Header.model_validate(parse_yaml(header))
    except (OSError, ValueError, RecursionError, ValidationError, yaml.YAMLError):
        return DataCard()
    return DataCard(stated.spdx, {config.config_name: config.patterns for config in stated.configs})
