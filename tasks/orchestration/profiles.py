"""Profiles: named sets of values for params.yaml, such as `tiny` for tests.

A profile may name another one that it builds on, as `base`. `nano` names every value that any profile changes, and all
others build on it, so that what a profile leaves does not depend on the one before.
"""

import json
from collections.abc import Iterator, Mapping
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import NamedTuple

import yaml

from iterpref_core.config import load_params
from iterpref_core.errors import ConfigError
from iterpref_core.input_files import read_text, read_yaml
from iterpref_core.storage.jsonl import atomic_writer

PROFILES = Path("profiles")


class _Value(NamedTuple):
    """What a profile writes, on one line, and the file that says so."""

    written: str
    source: Path


def apply_profile(name: str, params: Path, profiles: Path = PROFILES) -> list[str]:
    """Write a profile's values into a parameters file; every other character of it stays.

    Args:
        name: of a file in `profiles`, without its suffix.
        params: the file to change. Left as it was if the result would not be valid.
        profiles: folder of the profiles.

    Returns:
        What changed, one line a value.

    Raises:
        ConfigError: there is no such profile or base, or it names a parameter that does not exist or a value out of
            range.
    """
    return _replace(params, _read_profile(name, profiles, ()))


def write_values(values: Mapping[str, object], params: Path) -> list[str]:
    """Write values into a parameters file, as `apply_profile` does.

    Args:
        values: dotted key, such as `training.seed`, → value.
        params: the file to change. Left as it was if the result would not be valid.

    Returns:
        What changed, one line a value.

    Raises:
        ConfigError: a parameter does not exist, or a value is out of range.
    """
    return _replace(params, {key: _Value(json.dumps(value), params) for key, value in values.items()})


def _replace(params: Path, values: Mapping[str, _Value]) -> list[str]:
    load_params(params)
    text = params.read_text(encoding="utf-8")
    places = dict(_places(yaml.compose(text), ""))
    for key in values.keys() - places.keys():
        raise ConfigError(f"{values[key].source}: {key}: {params} has no such parameter; correct the profile")
    changes = []
    for key in sorted(values, key=lambda key: -places[key][0]):  # from the end, so that earlier places stay right
        start, end = places[key]
        if yaml.safe_load(text[start:end]) != yaml.safe_load(values[key].written):
            changes.append(f"{key}: {text[start:end]} → {values[key].written}")
            text = text[:start] + values[key].written + text[end:]
    _write_checked(params, text)
    return changes[::-1]


def _read_profile(name: str, profiles: Path, builders: tuple[str, ...]) -> dict[str, _Value]:
    """Dotted key → value, those of `base` first; `builders` are the profiles that build on this one."""
    source = profiles / f"{name}.yaml"
    if name in builders:
        raise ConfigError(f"{source}: base: {' → '.join((*builders, name))} builds on itself; correct one of them")
    known = sorted(path.stem for path in profiles.glob("*.yaml"))
    if name not in known:  # a path would lead out of the folder
        named_by = f"{profiles / builders[-1]}.yaml: base: " if builders else ""
        raise ConfigError(
            f"{named_by}profile {name!r}: there is no such file in {profiles}; available: {', '.join(known)}"
        )
    text, content = read_text(source), read_yaml(source)
    if not isinstance(content, dict):
        raise ConfigError(f"{source}: holds no parameters; correct the profile")
    own = {
        key: _Value(_one_line(text[start:end], reduce(getitem, key.split("."), content)), source)
        for key, (start, end) in _places(yaml.compose(text), "")
    }
    base = own.pop("base", None)
    inherited = _read_profile(yaml.safe_load(base.written), profiles, (*builders, name)) if base else {}
    return inherited | own


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
    assert isinstance(node, yaml.MappingNode), "parameters and profiles are mappings"
    for key, value in node.value:
        if isinstance(value, yaml.MappingNode):
            yield from _places(value, f"{prefix}{key.value}.")
        else:
            yield prefix + key.value, (value.start_mark.index, value.end_mark.index)


def _one_line(written: str, value: object) -> str:
    """A value as it is written, so that 1.0e-5 stays that, unless it takes several lines."""
    return yaml.safe_dump(value, default_flow_style=True, width=2**16).strip() if "\n" in written else written
