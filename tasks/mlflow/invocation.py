"""Invocation: one command of a user that runs stages."""

import hashlib
import os
import time
import uuid
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import psutil
from pydantic import BaseModel

from iterpref_core.config import Params
from tasks.dotted_keys import flatten
from tasks.git.source import Source, name_run, observe_source
from tasks.process import ProcessIdentity

DVC = "dvc repro"
"""The command of an invocation that DVC alone runs: no process of ours sees it begin or end."""

_STAGE_VARIABLE = "DVC_STAGE"
"""DVC's own variable: the name of the stage that it runs."""
_LIBRARIES = ("accelerate", "dvc", "mlflow", "peft", "prefect", "torch", "transformers", "trl")


class Invocation(BaseModel, frozen=True):
    """A command at the moment when it begins.

    Attributes:
        id: unique.
        command: the command, such as `dvc repro`.
        name: name of its run.
        started: seconds since the epoch.
        source: the commit, and the changes since.
        params: all parameters, by dotted key.
        tags: user, commit, and versions of libraries.
    """

    id: str
    command: str
    name: str
    started: float
    source: Source
    params: dict[str, str]
    tags: dict[str, str]


def begin_invocation(command: str, params: Params, values: Mapping[str, Any], name: str = "") -> Invocation:
    """Describe a command of this process, before it enters another folder.

    Args:
        command: the command, such as `iterpref run`.
        params: all parameters.
        values: parameters that the command itself sets, by dotted key.
        name: name of its run; by default the parameters that differ.
    """
    source = observe_source(values)
    return _describe(
        identity=uuid.uuid4().hex,
        command=command,
        started=time.time(),
        params=params,
        source=source,
        name=name,
    )


def dvc_invocation(params: Params) -> Invocation:
    """Describe the command of DVC that runs this process as a stage.

    Every stage of one `dvc repro` gets the same id, though the stages know nothing of each other: the id is a digest of
    the process that they all come from.
    """
    process = _calling_dvc()
    # `dvc exp run` makes up this name, such as `lively-monkey`. It says nothing about the run, so it is only a tag.
    experiment = os.environ.get("DVC_EXP_NAME", "")
    told_apart = f"{ProcessIdentity.observe(process)} {experiment}"
    identity = hashlib.sha256(told_apart.encode()).hexdigest()[:32]
    invocation = _describe(identity, DVC, process.create_time(), params, observe_source())
    if experiment:
        invocation.tags["dvc.experiment"] = experiment
    return invocation


def _describe(
    identity: str, command: str, started: float, params: Params, source: Source, name: str = ""
) -> Invocation:
    values = flatten(params.model_dump(mode="json"))
    return Invocation(
        id=identity,
        command=command,
        name=name or name_run(command, source),
        started=started,
        source=source,
        params={key: str(value) for key, value in values},
        tags=_tags(command, source),
    )


def _tags(command: str, source: Source) -> dict[str, str]:
    """Return MLflow's own tags for the source of a run, and the versions of the libraries that compute."""
    tags = {
        "mlflow.user": psutil.Process().username(),
        "mlflow.source.name": command,
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": source.commit,
        "mlflow.source.git.branch": source.branch,
        "mlflow.source.git.dirty": source.dirty,
    }
    for library in _LIBRARIES:
        try:
            tags[f"version.{library}"] = version(library)
        except PackageNotFoundError:
            continue
    return tags


def _calling_dvc() -> psutil.Process:
    """Return the process of DVC that runs this stage; without DVC this process."""
    process = psutil.Process()
    if _STAGE_VARIABLE not in os.environ:
        return process
    # dvc repro  →  sh -c "python -m flows.stage pairs"  →  python -m flows.stage pairs (this process)
    # DVC gives the variable to what it starts, and has none itself.
    for parent in process.parents():
        if _STAGE_VARIABLE not in parent.environ():
            return parent
    return process
