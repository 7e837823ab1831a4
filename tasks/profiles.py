"""Profiles: named sets of values for params.yaml, such as `tiny` for tests."""

from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from iterpref_core.config import load_params
from iterpref_core.errors import ConfigError
from iterpref_core.jsonl import atomic_writer

PROFILES = Path("profiles")


def apply_profile(name: str, params: Path, profiles: Path = PROFILES) -> list[str]:
    """Write a profile's values into a parameters file, whose comments and other values stay.

    Args:
        name: of a file in `profiles`, without its suffix.
        params: the file to change. Left as it was if the result would not be valid.
        profiles: folder of the profiles.

    Returns:
        What changed, one line a value.

    Raises:
        ConfigError: there is no such profile, or it names a parameter that does not exist.
    """
    load_params(params)
    source = profiles / f"{name}.yaml"
    if not source.is_file():
        known = ", ".join(sorted(path.stem for path in profiles.glob("*.yaml")))
        raise ConfigError(f"profile {name!r}: there is no {source}; available: {known}")
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096  # never break a line
    target = yaml.load(params)
    changes = list(_merge(target, YAML(typ="safe").load(source), source, ""))
    checked = params.with_name(f".{params.name}.checked")
    try:
        with checked.open("w", encoding="utf-8") as file:
            yaml.dump(target, file)
        load_params(checked)
        text = checked.read_text(encoding="utf-8")
    finally:
        checked.unlink(missing_ok=True)
    with atomic_writer(params) as file:
        file.write(text)
    return changes


def _merge(target: MutableMapping[str, Any], values: dict[str, Any], source: Path, prefix: str) -> list[str]:
    changes: list[str] = []
    for key, value in values.items():
        if key not in target:
            raise ConfigError(f"{source}: {prefix}{key}: params.yaml has no such parameter; correct the profile")
        if isinstance(value, dict):
            changes += _merge(target[key], value, source, f"{prefix}{key}.")
        elif target[key] != value:
            changes.append(f"{prefix}{key}: {target[key]} → {value}")
            target[key] = value
    return changes
