"""Profiles: named sets of values for params.yaml, such as `tiny` for tests."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from iterpref_core.config import load_params
from iterpref_core.errors import ConfigError
from iterpref_core.jsonl import atomic_writer

PROFILES = Path("profiles")


def apply_profile(name: str, params: Path, profiles: Path = PROFILES) -> list[str]:
    """Write a profile's values into a parameters file; every other character of it stays.

    Args:
        name: of a file in `profiles`, without its suffix.
        params: the file to change. Left as it was if the result would not be valid.
        profiles: folder of the profiles.

    Returns:
        What changed, one line a value.

    Raises:
        ConfigError: there is no such profile, or it names a parameter that does not exist or a value out of range.
    """
    load_params(params)
    source = profiles / f"{name}.yaml"
    if not source.is_file():
        known = ", ".join(sorted(path.stem for path in profiles.glob("*.yaml")))
        raise ConfigError(f"profile {name!r}: there is no {source}; available: {known}")
    text = params.read_text(encoding="utf-8")
    places = dict(_places(yaml.compose(text), ""))
    values = dict(_leaves(yaml.safe_load(source.read_text(encoding="utf-8")), ""))
    for key in values.keys() - places.keys():
        raise ConfigError(f"{source}: {key}: {params} has no such parameter; correct the profile")
    changes = []
    for key in sorted(values, key=lambda key: -places[key][0]):  # from the end, so that earlier places stay right
        start, end = places[key]
        if yaml.safe_load(text[start:end]) != values[key]:
            changes.append(f"{key}: {text[start:end]} → {_in_line(values[key])}")
            text = text[:start] + _in_line(values[key]) + text[end:]
    _write_checked(params, text)
    return changes[::-1]


def _write_checked(params: Path, text: str) -> None:
    checked = params.with_name(f".{params.name}.checked")
    try:
        checked.write_text(text, encoding="utf-8")
        load_params(checked)
    finally:
        checked.unlink(missing_ok=True)
    with atomic_writer(params) as file:
        file.write(text)


def _places(node: yaml.Node | None, prefix: str) -> Iterator[tuple[str, tuple[int, int]]]:
    """Dotted key → where its value stands in the text, for every value that is no mapping."""
    assert isinstance(node, yaml.MappingNode), "checked parameters are mappings"
    for key, value in node.value:
        if isinstance(value, yaml.MappingNode):
            yield from _places(value, f"{prefix}{key.value}.")
        else:
            yield prefix + key.value, (value.start_mark.index, value.end_mark.index)


def _leaves(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _in_line(value: object) -> str:
    """A value as YAML on one line."""
    return yaml.safe_dump(value, default_flow_style=True, width=2**16).removesuffix("...\n").strip()
