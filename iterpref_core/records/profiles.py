"""Read profiles, which are named sets of values, such as `own`.

A profile without a `base` names every value that any profile changes, so that the values after a change of profile do
not depend on the profile before. Others name one of these as their base, and what differs.
"""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from .errors import ConfigError, unknown_name
from .input_files import read_yaml

# The delivered profiles: in a checkout a link to config/profiles, in the wheel a copy.
PROFILES = Path(__file__).with_name("profiles")


OBJECTIVE_VALUES = ("learning_rate", "alpha", "beta")
"""What lines of `training.objectives` state."""


def flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted key and the value of every leaf; an empty mapping is a leaf.

    >>> dict(flatten({"training": {"seed": 1, "objectives": {"sft": {"alpha": 1.0}}}, "environments": {}}))
    {'training.seed': 1, 'training.objectives.sft.alpha': 1.0, 'environments': {}}
    """
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def flat_values(path: Path, absent: str) -> dict[str, Any]:
    """Return the dotted key and the value of every leaf of a YAML file.

    Args:
        path: the file.
        absent: advice for the message about an absent file.

    Raises:
        InputError: the file is not YAML.
        ConfigError: it holds something else, or two values for a key: `training: {beta: 0.3}` and `training.beta: 0.4`.
    """
    stated = read_yaml(path, absent) or {}
    if not isinstance(stated, dict):
        raise ConfigError(f"{path}: holds no parameters; give one a line, such as training.epochs: 1")
    found: dict[str, Any] = {}
    for key, value in flatten(stated):
        for other in found:
            # `training.lora: null` and `training.lora.r: 8` are also two values.
            if f"{key}.".startswith(f"{other}.") or f"{other}.".startswith(f"{key}."):
                raise ConfigError(f"{path}: {key}: has two values, in two forms; keep one")
        found[key] = value
    return found


def with_lines(values: Mapping[str, Any], objectives: Collection[str] = ()) -> dict[str, Any]:
    """Return values in which `training.beta` is the beta in the line of each objective that reads one.

    The same for `training.learning_rate` and `training.alpha`, which are no parameters either, but short for several.
    Of two values for one line the later counts.

    Args:
        values: dotted key → value.
        objectives: those that are trained; none: all.

    Raises:
        ConfigError: none of the objectives reads a value.

    >>> with_lines({"training.beta": 0.3, "training.objectives.dpo.beta": 0.5, "training.seed": 1}, ["dpo", "rpo"])
    {'training.objectives.dpo.beta': 0.5, 'training.objectives.rpo.beta': 0.3, 'training.seed': 1}
    """
    from .objective_table import DELIVERED, OBJECTIVES  # a stage depends on it, and is observed before

    found = {}
    for key, value in values.items():
        name = key.removeprefix("training.")
        if key == name or name not in OBJECTIVE_VALUES:
            found[key] = value
            continue
        reading = [each for each in objectives or DELIVERED if each in OBJECTIVES and name in OBJECTIVES[each].reads]
        if not reading:
            raise ConfigError(
                f"{key}: has no effect on {', '.join(objectives)}; leave it out, or set training.objectives.NAME.{name}"
            )
        found |= {f"training.objectives.{each}.{name}": value for each in reading}
    return found


def profile_values(name: str, folder: Path = PROFILES) -> dict[str, Any]:
    """Return the values of a profile and of its base, if it names one, by dotted key.

    Args:
        name: of the profile.
        folder: holds a file for each profile.

    Raises:
        ConfigError: the profile or its base is unknown, or its base has a base, too.
    """
    own = _read_profile(name, folder)
    base = _read_profile(own.pop("base"), folder) if "base" in own else {}
    if "base" in base:
        raise ConfigError(
            f"{folder}: {name} has a base with a base of its own: name {base['base']}, or state the values"
        )
    return base | own


def _read_profile(name: str, folder: Path) -> dict[str, Any]:
    known = sorted(path.stem for path in folder.glob("*.yaml"))
    if name not in known:
        raise ConfigError(unknown_name("profile", name, known))
    return with_lines(flat_values(folder / f"{name}.yaml", "give a profile's values"))
