"""Descriptions of runs in Markdown, as MLflow's pages show them: what a run is, and where it comes from."""

import re
import subprocess
from collections.abc import Iterable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from iterpref_core.config import Params
from iterpref_core.objectives.objectives import OBJECTIVES, find_objective
from tasks.recording.outbox import public_address


def describe_experiment(params: Params, stages: Iterable[str]) -> str:
    """What an experiment is.

    Args:
        params: its parameters.
        stages: DVC's names of those that it has; none where they are recorded one by one.
    """
    trained = ", ".join(name.partition("@")[2] for name in stages if name.startswith("training@"))
    return (
        f"Experiment{f': trains {trained}' if trained else ''} with model `{params.model.student}`, "
        f"beta {params.training.beta:g}, seed {params.training.seed}; evaluated on "
        f"{', '.join(params.evaluation.benchmarks)}. Its stages are nested in it."
    )


def describe_stage(stage: str, *, cached: bool) -> str:
    """What a stage's run is, by the first line of its package."""
    package = f"iterpref_core.{stage.partition('@')[0]}"
    known = import_module(package).__doc__ if find_spec(package) else None
    purpose = (known or "One that dvc.yaml adds.").partition("\n")[0]
    unchanged = " DVC had its results already: nothing ran here." if cached else ""
    return f"Stage `{stage}`. {purpose}{unchanged}"


def describe_origin(commit: str | None, *, dirty: bool, root: Path, prefect: str | None) -> str:
    """Where a run comes from: links to its commit and to its run in Prefect.

    Args:
        commit: of the working tree; None without a repository.
        dirty: whether the tree differs from it.
        root: of the repository.
        prefect: the run's page; None where Prefect did not start it.
    """
    page = _repository_page(root)
    shown = f"[{commit[:10]}]({page}/commit/{commit})" if commit and page else f"`{(commit or '')[:10]}`"
    commit_words = f"commit {shown}{' and changes' if dirty else ''}" if commit else "no commit"
    return f"{f'[Prefect run]({prefect})' if prefect else 'No Prefect run'} · {commit_words}"


def model_settings(stage: str, params: Params) -> dict[str, str]:
    """What tells the models apart that are evaluated: objective, and beta, learning rate and seed of its training."""
    kind, _, name = stage.partition("@")
    if kind != "evaluation":
        return {}
    if name not in OBJECTIVES:
        return {"objective": name}
    row, training = find_objective(name, params.training.objectives), params.training
    beta = {"beta": str(training.beta)} if row.loss else {}
    return {"objective": name, **beta, "learning_rate": str(row.learning_rate), "seed": str(training.seed)}


def _repository_page(root: Path) -> str | None:
    """The page of the repository that `origin` names; None where that is no address on the web.

    `git@host:owner/name.git` is `https://host/owner/name`.
    """
    found = subprocess.run(
        ["git", "config", "--get", "remote.origin.url"], cwd=root, capture_output=True, text=True, check=False
    )
    address = re.sub(r"^(?:ssh://)?git@([^:/]+)[:/]", r"https://\1/", found.stdout.strip())
    return public_address(address).removesuffix(".git") if address.startswith(("https://", "http://")) else None
