"""The stages of the experiment, a page for each."""

from pathlib import Path

from iterpref_core.records import read_yaml
from tasks.paths import GRAPH

from . import codeflow, evaluation, localization, nanolab, pairs, problems, report, training, validity
from .stage import Stage

STAGES: dict[str, Stage] = {
    page.STAGE.name: page.STAGE
    for page in (problems, nanolab, validity, codeflow, pairs, localization, training, evaluation, report)
}
"""The stages by their names, in the order of dvc.yaml."""


def find_stage(name: str) -> tuple[Stage, str]:
    """Return the stage of a name in DVC, such as `training@sft`, and its item.

    A stage that a user has added to dvc.yaml has a name alone.
    """
    group, _, item = name.partition("@")
    return STAGES.get(group) or Stage(name=group, work=""), item


def add_objective(folder: Path, objective: str) -> None:
    """Let a checkout's dvc.yaml train, evaluate and report an objective. DVC's own writer keeps all other lines."""
    from dvc.utils.serialize import modify_yaml

    if objective in trained_objectives(folder):
        return
    with modify_yaml(folder / GRAPH) as graph:
        for stage in STAGES.values():
            if stage.join and stage.name in graph["stages"]:
                stage.join(graph["stages"][stage.name], objective)


def trained_objectives(folder: Path = Path()) -> list[str]:
    """Return the objectives that a checkout trains."""
    return list(read_yaml(folder / GRAPH, "run from the repository's root")["stages"][training.STAGE.name]["foreach"])
