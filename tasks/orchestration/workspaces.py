"""Workspaces: a run happens in the workspace itself or, where it was asked for other values, in a copy of it.

Nobody's `params.yaml` is changed under their feet: a choice is written into the copy's. The copy shares DVC's cache
with the workspace, so that neither computes what the other has, and it stays, so that a run that was killed continues.
"""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from configparser import ConfigParser
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

import yaml

from iterpref_core.config import load_params
from iterpref_core.errors import ConfigError, InputError
from iterpref_core.objectives.objectives import ObjectiveName, check_objective, find_objective
from iterpref_core.storage.jsonl import atomic_writer
from tasks.common.paths import ANSWERS, LOCK, PARAMS, STATE
from tasks.orchestration.profiles import apply_profile, write_values
from tasks.orchestration.run_options import UNCHANGED, Choice
from tasks.orchestration.stage_environment import HOME_VARIABLE, home

GRAPH = Path("dvc.yaml")
COPIES = STATE / "workspaces"
_COPIED = STATE / "copied.json"


def list_files(origin: Path) -> list[str]:
    """Names of tracked and new files, sorted; without results and caches, which git ignores, and DVC's lock.

    Raises:
        InputError: `origin` is no git repository.
    """
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=origin, capture_output=True, check=True).stdout.decode()
    except (OSError, subprocess.CalledProcessError):
        raise InputError(
            f"{origin.absolute()}: not a git repository, so it cannot be copied; run from the root of one"
        ) from None
    return sorted({name for name in listed.split("\0") if name and name != str(LOCK) and (origin / name).is_file()})


def copy_files(origin: Path, names: Iterable[str], copy: Path) -> None:
    """Copy files as they stand into a repository, made where there is none: DVC asks for one."""
    for name in names:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(origin / name, copy / name)
    if not (copy / ".git").exists():
        subprocess.run(["git", "init", "--quiet"], cwd=copy, check=True)


@contextmanager
def entered(choice: Choice) -> Iterator[Path]:
    """Make the present folder the one in which a choice holds; yields it.

    Raises:
        ConfigError: the choice does not lead to valid parameters. Nothing was changed.
        InputError: the present folder is no git repository.
    """
    if choice == Choice():
        check_objectives()
        yield Path.cwd()
        return
    with copied(choice, _name(choice)) as copy:
        yield copy


@contextmanager
def copied(choice: Choice, name: str) -> Iterator[Path]:
    """Make a copy of the present folder, in which a choice holds, the present one; yields it.

    Args:
        choice: what differs there; perhaps nothing.
        name: of the copy, which stays for the next run that asks for it.

    Raises:
        ConfigError: the choice does not lead to valid parameters. Nothing was changed.
        InputError: the present folder is no git repository.
    """
    origin = Path.cwd()
    check_objectives()
    copy = (COPIES / name).resolve()
    _copy_tree(origin, copy)
    set_before = os.environ.get(HOME_VARIABLE)
    os.environ[HOME_VARIABLE] = str(home().resolve())
    try:
        with chdir(copy):
            _apply(choice)
            _share_cache(origin)
            if not LOCK.is_file() and (origin / LOCK).is_file():
                _bring_results(origin / LOCK)
            yield copy
    finally:
        os.environ.pop(HOME_VARIABLE)
        if set_before is not None:
            os.environ[HOME_VARIABLE] = set_before


def _name(choice: Choice) -> str:
    return hashlib.sha256(choice.model_dump_json().encode()).hexdigest()[:12]


def _copy_tree(origin: Path, copy: Path) -> None:
    """Bring a copy up to date: what an earlier one brought and is no longer there goes."""
    names = list_files(origin)
    known = copy / _COPIED
    known.parent.mkdir(parents=True, exist_ok=True)
    before = json.loads(known.read_text(encoding="utf-8")) if known.is_file() else []
    for name in set(before) - set(names):
        (copy / name).unlink(missing_ok=True)
    copy_files(origin, names, copy)
    with atomic_writer(known) as file:
        json.dump(names, file)
    if not (copy / ANSWERS).is_symlink():
        (copy / ANSWERS).symlink_to(origin / ANSWERS)  # received, and perhaps paid for, once


def _apply(choice: Choice) -> None:
    """Write the choice into the present folder's params.yaml and dvc.yaml."""
    if choice.profile != UNCHANGED:
        apply_profile(choice.profile, PARAMS)
    write_values(choice.values(), PARAMS)
    if choice.objectives:
        state_objectives(choice.objectives, PARAMS)
        content = yaml.safe_load(GRAPH.read_text(encoding="utf-8"))
        choose_objectives(content, choice.objectives)
        with atomic_writer(GRAPH) as file:
            yaml.safe_dump(content, file, sort_keys=False, width=120)


def choose_objectives(graph: dict[str, Any], objectives: Sequence[str]) -> None:
    """Let the stages of a dvc.yaml train and evaluate these objectives and no others."""
    stages = graph["stages"]
    objectives = list(dict.fromkeys(objectives))
    old = stages["training"]["matrix"]["objective"]
    stages["training"]["matrix"]["objective"] = objectives
    models = {name: path for name, path in stages["evaluation"]["foreach"].items() if name not in old}
    stages["evaluation"]["foreach"] = models | {name: f"models/trained/{name}" for name in objectives}
    gone = {f"metrics/training/{name}.curve.csv" for name in old if name not in objectives}
    for plot in graph.get("plots", ()):
        for axes in plot.values():
            if isinstance(axes.get("y"), dict):
                axes["y"] = {path: column for path, column in axes["y"].items() if path not in gone}


def state_objectives(names: Sequence[str], params: Path) -> None:
    """Write the values of objectives that a parameters file leaves to the table, for DVC to find.

    Args:
        names: of objectives.
        params: the file to change; every other character of it stays.
    """
    stated = load_params(params).training.objectives
    text = params.read_text(encoding="utf-8")
    section = _child(_child(yaml.compose(text), "training"), "objectives")
    place = section.start_mark.index + len("{") * section.flow_style
    end = ", " if section.flow_style else "\n" + " " * section.start_mark.column
    for name in reversed(dict.fromkeys(names)):
        if name not in stated:
            row = find_objective(name, stated)
            values = {"learning_rate": row.learning_rate, "alpha": row.alpha}
            written = yaml.safe_dump(values, default_flow_style=True, sort_keys=False).strip()
            text = f"{text[:place]}{name}: {written}{end}{text[place:]}"
    with atomic_writer(params) as file:
        file.write(text)


def _child(node: yaml.Node | None, name: str) -> yaml.MappingNode:
    assert isinstance(node, yaml.MappingNode), "parameters are checked"
    (child,) = (value for key, value in node.value if key.value == name)
    assert isinstance(child, yaml.MappingNode), "parameters are checked"
    return child


def check_objectives() -> None:
    """Whether the objectives that params.yaml and dvc.yaml name can be trained, before anything runs.

    Raises:
        ConfigError: params.yaml is not valid, or one of them names an objective that there is not, or dvc.yaml trains
            one for which DVC would find no values.
    """
    stated = load_params().training.objectives
    for name in stated:
        find_objective(name, stated)
    for name in graph_objectives():
        check_objective(name, f"{GRAPH}: stages.training.matrix.objective")
        if name not in stated:
            raise ConfigError(
                f"{PARAMS}: training.objectives.{name} is missing, and {GRAPH} trains {name}; add `{name}: {{}}` for "
                "the values of the table"
            )


def graph_objectives() -> tuple[ObjectiveName, ...]:
    """The objectives that the present folder's dvc.yaml trains."""
    content = yaml.safe_load(GRAPH.read_text(encoding="utf-8"))
    return tuple(content["stages"]["training"]["matrix"]["objective"])


def _share_cache(origin: Path) -> None:
    from dvc.repo import Repo

    with Repo(str(origin)) as repo:
        cache = repo.cache.legacy.path
    settings = origin / ".dvc" / "config.local"
    if settings.is_file():
        shutil.copy2(settings, ".dvc/config.local")
    # Not by DVC's own writer, which takes ASCII alone; its reader does not mind.
    config = ConfigParser(interpolation=None)
    config.read(".dvc/config.local", encoding="utf-8")
    config.read_dict({"cache": {"dir": f'"{cache}"'}})
    with atomic_writer(".dvc/config.local") as file:
        config.write(file)


def _bring_results(lock: Path) -> None:
    """Check out what the workspace has already computed."""
    from dvc.repo import Repo

    with atomic_writer(LOCK) as file:
        file.write(lock.read_text(encoding="utf-8"))
    with Repo(".") as repo:
        repo.checkout(force=True, allow_missing=True)
