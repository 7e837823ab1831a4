"""Configurations that a study chose on validation, in a file that is committed before anything is held out."""

import json
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from iterpref_core.errors import InputError
from iterpref_core.storage.jsonl import atomic_writer
from tasks.grids.study import StudyChoice
from tasks.grids.study_methods import LABELS


def write_choices(path: Path, choices: Iterable[StudyChoice]) -> None:
    """Write them as JSON."""
    with atomic_writer(path) as file:
        json.dump([choice.model_dump() for choice in choices], file, indent=1)
        file.write("\n")


def add_choice(path: Path, kept: Mapping[str, StudyChoice], new: StudyChoice) -> dict[str, StudyChoice]:
    """Choices by regime with a new one: what was chosen for other methods from the same start stays.

    Raises:
        InputError: other methods were chosen from another start, so that the two cannot stand side by side.
    """
    old = kept.get(new.regime)
    if old is None or new.chosen.keys() >= old.chosen.keys():
        return {**kept, new.regime: new}
    if (old.pairs, old.rounds, old.start) != (new.pairs, new.rounds, new.start):
        others = [label for label in old.chosen if label not in new.chosen]
        raise InputError(
            f"{path}: in {new.regime} it has what was chosen for {', '.join(others)} from another start "
            f"({old.pairs} pairs, {old.start:.1%}; now {new.pairs}, {new.start:.1%}), as another version or kind of "
            "processor makes it; name another file, the finished trainings are kept"
        )
    tried = [one for one in old.tried if one.label not in new.chosen] + new.tried
    return {**kept, new.regime: new.model_copy(update={"tried": tried, "chosen": old.chosen | new.chosen})}


def load_choices(path: Path) -> dict[str, StudyChoice]:
    """The choices of a file, by regime; none where there is no file yet.

    Raises:
        InputError: the file is none of choices.
    """
    if not path.exists():
        return {}
    try:
        return {choice.regime: choice for choice in map(StudyChoice.model_validate, json.loads(path.read_bytes()))}
    except (TypeError, ValueError) as error:
        raise InputError(f"{path}: no configurations of a study ({error}); `iterpref study --choose {path}`") from None


def read_choices(path: Path, regimes: Sequence[str], labels: Sequence[str] = ()) -> tuple[dict[str, StudyChoice], str]:
    """The choices of some regimes, and the commit in which the file became what it is.

    Args:
        path: of `write_choices`.
        regimes: that are to be there.
        labels: of methods that each of them has to have a configuration for.

    Raises:
        InputError: the file is none of choices, lacks a regime or a method, has one that the study does not, or has
            changes that no commit has.
    """
    found = load_choices(path)
    if missing := [name for name in regimes if name not in found]:
        raise InputError(f"{path}: nothing was chosen for {', '.join(missing)}; `iterpref study --choose {path}` does")
    for name in regimes:
        if unknown := found[name].chosen.keys() - LABELS:
            raise InputError(
                f"{path}: in {name} configurations were chosen for {', '.join(sorted(unknown))}, which the study does "
                "not have (any more); delete them there"
            )
        if missing := [label for label in labels if label not in found[name].chosen]:
            raise InputError(
                f"{path}: in {name} nothing was chosen for {', '.join(missing)}; others are named by --method"
            )
    return found, _commit_of(path)


def _commit_of(path: Path) -> str:
    remedy = "commit it first: what is chosen has to be fixed before anything is held out"
    changed = _git(path, "status", "--porcelain")
    commit = _git(path, "log", "-1", "--format=%H")
    if changed is None or changed or not commit:
        raise InputError(f"{path}: is not committed as it stands; {remedy}")
    return commit


def _git(path: Path, *arguments: str) -> str | None:
    """What Git says of a file; None where it has no repository, or there is no Git."""
    try:
        done = subprocess.run(
            ["git", *arguments, "--", path.name], cwd=path.parent, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
