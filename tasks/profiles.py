"""Profiles: named sets of values for params.yaml, such as `tiny` for tests.

A profile may build on another one, which it names as `base`. `nano` names every value that any profile changes, and all
others build on it, so that what a profile leaves does not depend on the one before.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from iterpref_core.config import load_params, with_values
from iterpref_core.errors import ConfigError, unknown_name
from iterpref_core.input_files import read_yaml
from iterpref_core.storage.jsonl import atomic_writer
from tasks.dotted_keys import flatten
from tasks.paths import PARAMS

PROFILES = Path("profiles")
_TAG = "tag:yaml.org,2002:"


def profile_values(name: str, profiles: Path = PROFILES) -> dict[str, Any]:
    """Dotted key → value of a profile, those of what it builds on among them.

    Raises:
        ConfigError: there is no such profile, or it builds on itself.
    """
    known, chain = {path.stem for path in profiles.glob("*.yaml")}, [name]
    values: dict[str, Any] = {}
    while True:
        if chain[-1] not in known:
            by = f"{profiles / chain[-2]}.yaml: base: " if len(chain) > 1 else ""
            raise ConfigError(f"{by}{unknown_name('profile', chain[-1], sorted(known))}")
        content = dict(read_yaml(profiles / f"{chain[-1]}.yaml", "give a profile's values"))
        base = content.pop("base", None)
        values = dict(flatten(content)) | values
        if base is None:
            return values
        if base in chain:
            raise ConfigError(f"{profiles / chain[-1]}.yaml: base: {' → '.join((*chain, base))} builds on itself")
        chain.append(base)


def write_params(name: str, values: Mapping[str, Any], params: Path = PARAMS, profiles: Path = PROFILES) -> list[str]:
    """Write a profile into a parameters file, which then says so, and other values over it.

    Args:
        name: of the profile.
        values: dotted key → value.
        params: the file.
        profiles: folder of the profiles.

    Returns:
        What changed, one line a value.

    Raises:
        ConfigError: there is no such profile or parameter, or a value is out of range; nothing is written then.
    """
    return write_values(profile_values(name, profiles) | dict(values) | {"profile": name}, params)


def write_values(values: Mapping[str, Any], params: Path = PARAMS) -> list[str]:
    """Write values, by dotted key such as `training.beta`, into a parameters file; comments and all else stay.

    Returns:
        What changed, one line a value.

    Raises:
        ConfigError: a parameter does not exist, or a value is out of range; nothing is written then.
    """
    with_values(load_params(params), values)
    yaml = YAML()
    yaml.preserve_quotes, yaml.width = True, 4096
    yaml.representer.add_representer(type(None), lambda dumper, _: dumper.represent_scalar(_TAG + "null", "null"))
    yaml.representer.add_representer(float, lambda dumper, value: dumper.represent_scalar(_TAG + "float", _text(value)))
    content, changes = yaml.load(params.read_text(encoding="utf-8")), []
    for key, value in values.items():
        *sections, last = key.split(".")
        section = content
        for part in sections:
            if section[part] is None:  # such as training.lora, whose options the library knows
                section[part] = {}
            section = section[part]
        written = list(value) if isinstance(value, tuple) else value
        if last not in section or section[last] != written:
            changes.append(f"{key}: {section.get(last)} → {written}")
            section[last] = written
    with atomic_writer(params) as file:
        yaml.dump(content, file)
    return changes


def _text(value: float) -> str:
    """A number that YAML 1.1 takes for one: `5e-06` is text there.

    >>> _text(5e-6), _text(0.3)
    ('5.0e-06', '0.3')
    """
    return re.sub(r"^(-?\d+)e", r"\1.0e", repr(value))
