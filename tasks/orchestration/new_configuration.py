"""New configuration: params.yaml for a user's own model, debugger and problems, and example problems to begin with."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from iterpref_core.config import Params, load_params
from iterpref_core.errors import ConfigError, InputError, ModelError
from iterpref_core.inference.local.checkpoints import name_served, pin_model
from iterpref_core.problems.formats.json_items import read_items
from iterpref_core.records import Problem
from iterpref_core.storage.jsonl import atomic_writers, parse_record
from tasks.dotted_keys import flatten
from tasks.orchestration.configuration_check import SAMPLE
from tasks.orchestration.profiles import PROFILES, apply_profile, write_values

EXAMPLES = Path("examples/problems.jsonl")
"""Five problems with every kind of test."""
WHOLE, LORA = "own", "own-lora"
"""Profiles: every parameter is trained, or LoRA."""
_DELIVERED = {"inference.backend": "transformers", "inference.base_url": None}
"""Of params.yaml as it is delivered, what init writes and no profile does."""


class OwnInputs(NamedTuple):
    """What a user brings: a file of problems, which need not be there yet, and models; `base_url`: of an endpoint."""

    problems: Path
    model: str
    debugger: str
    base_url: str | None

    def values(self) -> dict[str, object]:
        """Dotted parameter → value, besides those of the profile. Folders are absolute: a run may be in a copy."""
        return {
            "model.student": _absolute(self.model),
            "model.debugger": self.debugger if self.base_url else _absolute(self.debugger),
            "inference.backend": "openai" if self.base_url else "transformers",
            "inference.base_url": self.base_url,
        }


def _absolute(model: str) -> str:
    return str(Path(model).resolve()) if Path(model).is_dir() else model


class Configured(NamedTuple):
    """What was done: the profile and why it, what changed in params.yaml, and whether examples were written."""

    profile: str
    reason: str
    changes: list[str]
    examples: bool


def write_configuration(
    given: OwnInputs, params: Path, profile: str | None = None, *, force: bool = False
) -> Configured:
    """Write a profile's values and the user's models into a parameters file; all else in it stays.

    Args:
        given: what the user brings. Where there is no file of problems, the examples are written to its place.
        params: the file to change.
        profile: its name; None for the one that fits the model and this machine.
        force: replace values that somebody has changed before.

    Raises:
        InputError: a model cannot be had, or the problems are broken. Nothing is written then.
        ConfigError: values would be lost that are neither a fresh file's nor those to be written; nor is it then.
    """
    before = load_params(params)
    examples = not given.problems.exists()
    pin_model(given.model)
    name_served(given.debugger, "openai") if given.base_url else pin_model(given.debugger)
    reason = "named by --profile"
    if profile is None:
        profile, reason = _choose_profile(given.model, EXAMPLES if examples else given.problems)
    with _copied(params, profile, given.values()) as planned:
        text, after = planned.read_text(encoding="utf-8"), load_params(planned)
    changes = {key: (old, new) for key, old, new in _differences(before, after)}
    if not force:
        _refuse_losses(params, before, changes)
    with atomic_writers(params, given.problems if examples else None) as (file, copy):
        assert file is not None
        file.write(text)
        if copy is not None:
            copy.write(EXAMPLES.read_text(encoding="utf-8"))
    return Configured(profile, reason, [f"{key}: {old} → {new}" for key, (old, new) in changes.items()], examples)


def _choose_profile(model: str, problems: Path) -> tuple[str, str]:
    """The profile that trains every parameter where that fits this machine's memory; otherwise LoRA's."""
    from iterpref_core.inference.local.checkpoints import read_config
    from iterpref_core.training.estimate import MARGIN, count_parameters, this_card

    sample = [parse_record(item.where, item.text, Problem) for item in islice(read_items(problems), SAMPLE)]
    if not sample:
        raise InputError(f"{problems}: holds no problem; give another file, or leave --problems out for examples")
    try:
        parameters = count_parameters(read_config(model))
    except ModelError as error:
        return WHOLE, f"every parameter is trained; what that takes is not known: {error}"
    card, needed = this_card(), 16.0 * parameters  # weights, gradients and two moments, in float32
    memory = f"{needed / 1e9:.1f} GB to train all of them, and {card.name} has {card.memory / 1e9:.0f}"
    return WHOLE if needed <= (1 - MARGIN) * card.memory else LORA, f"{parameters:,} parameters take {memory}"


@contextmanager
def _copied(params: Path, profile: str, values: Mapping[str, object]) -> Iterator[Path]:
    """A copy of a parameters file with these values, in a folder that is gone afterwards."""
    with TemporaryDirectory() as folder:
        copy = Path(folder) / params.name
        shutil.copyfile(params, copy)
        apply_profile(profile, copy, PROFILES)
        write_values(values, copy)
        yield copy


def _refuse_losses(params: Path, before: Params, changes: Mapping[str, tuple[object, object]]) -> None:
    own = set(changes)
    for profile in ("nano", WHOLE, LORA):  # a file as it is delivered, or as init left it
        with _copied(params, profile, _DELIVERED) as fresh:
            own &= {key for key, _, _ in _differences(before, load_params(fresh))}
    lost = [f"{key}: {old} → {new}" for key, (old, new) in changes.items() if key in own]
    if lost:
        raise ConfigError(
            f"{params}: values that were changed before would be replaced ({'; '.join(lost)}); "
            "add --force to replace them, or name a copy of the file with --params"
        )


def _differences(before: Params, after: Params) -> Iterator[tuple[str, object, object]]:
    """Dotted key, old and new value."""
    old, new = (dict(flatten(params.model_dump(mode="json"))) for params in (before, after))
    return ((key, old[key], new[key]) for key in new if old.get(key) != new[key])
