"""Read the license in the header of a card, which is the README of a published data set or model.

---
license: mit
---
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from iterpref_core.records import InputError, parse_yaml

CARD = "README.md"
_SPDX = (
    *("MIT", "Apache-2.0", "ISC", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "CC-BY-4.0", "CC-BY-SA-4.0"),
    *("CC-BY-NC-4.0", "CC-BY-NC-SA-4.0", "GPL-3.0", "LGPL-3.0", "AGPL-3.0", "MPL-2.0", "ODC-By"),
)
"""Licenses as SPDX writes them; the hub has their names in small letters."""


_OF_MODELS = {"library_name", "base_model", "pipeline_tag"}
"""Fields of a model's card that no card of a data set has."""


def find_license(place: Path | str, kind: Literal["dataset", "model"]) -> str | None:
    """Return the license on the card of a data set or model: of a file or folder, or of a repository on the hub.

    The card may be in a folder above, as for `data/train.jsonl`.
    """
    from huggingface_hub import hf_hub_download

    path = Path(place)
    if path.exists():
        folder = path if path.is_dir() else path.parent
        licenses = (card_license(above / CARD, kind) for above in (folder, *folder.parents[:2]))
        return next(filter(None, licenses), None)
    try:
        # A model was loaded before, so that its card is in the hub's cache if it is anywhere.
        card = hf_hub_download(str(place), CARD, repo_type=kind, local_files_only=kind == "model")
        return card_license(Path(card), kind)
    except Exception:  # noqa: BLE001 - the hub cannot be reached, or has no card; its client passes on errors of HTTP
        return None


def card_license(card: Path, kind: Literal["dataset", "model"]) -> str | None:
    """Return the license on a card in SPDX's letters; None without a card of this form and kind.

    A folder of a model may hold data that the model's license says nothing about.
    """
    try:
        text = card.read_text(encoding="utf-8-sig")
        before, header, _ = text.split("---\n", 2)
        stated = parse_yaml(header)
        is_other = kind == "dataset" and bool(_OF_MODELS & stated.keys())
        return None if before.strip() or is_other else _license(stated)
    except (OSError, ValueError, TypeError, AttributeError, InputError):
        return None


def _license(stated: Mapping[str, Any]) -> str | None:
    """Return the license in SPDX's letters; of several, all must be kept to; None if the card leaves it open."""
    known = {name.lower(): name for name in _SPDX} | {"other": stated.get("license_name") or "other"}
    listed = stated.get("license") or []
    names = [name for name in (listed if isinstance(listed, list) else [listed]) if name != "unknown"]
    return " AND ".join(known.get(str(name).lower(), str(name)) for name in names) or None
