"""Invocation: one command of a user, which runs stages."""

import hashlib
import os
import socket
import time
import uuid
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import psutil
from pydantic import BaseModel

from iterpref_core.config import Params
from tasks.dotted_keys import flatten
from tasks.source import Source, name_run, observe_source

DVC = "dvc repro"
"""The command of an invocation that DVC alone runs: no process of ours sees it begin or end."""

_LIBRARIES = ("accelerate", "dvc", "mlflow", "peft", "prefect", "torch", "transformers", "trl")


class Invocation(BaseModel, frozen=True):
    """A command as it is known when it begins.

    Attributes:
        id: unique.
        command: what was called, such as `dvc repro`.
        name: what its run is called.
        started: seconds since the epoch.
        source: the commit, and what has changed since.
        params: all parameters, by dotted key.
        tags: who called it, with which versions.
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
        command: what was called.
        params: the parameters that it runs with.
        values: those of them that the command itself sets, by dotted key.
        name: what its run is called; by default what is different in it.
    """
    return _describe(uuid.uuid4().hex, command, time.time(), params, observe_source(values), name)


def dvc_invocation(params: Params) -> Invocation:
    """Describe the command of DVC that runs this process as a stage."""
    process = _calling_dvc()
    created = process.create_time()
    # `dvc exp run` sets it. It is a made-up name, so it is a tag and not what the run is called.
    experiment = os.environ.get("DVC_EXP_NAME", "")
    told_apart = f"{socket.gethostname()} {process.pid} {created} {experiment}"
    identity = hashlib.sha256(told_apart.encode()).hexdigest()[:32]
    invocation = _describe(identity, DVC, created, params, observe_source())
    if experiment:
        return invocation.model_copy(update={"tags": invocation.tags | {"dvc.experiment": experiment}})
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
    """Return MLflow's own tags of where a run comes from, and the versions of what computes."""
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
    """Return DVC's process, which runs a stage through a shell; without DVC this process."""
    process = psutil.Process()
    if "DVC_STAGE" not in os.environ:
        return process
    for parent in process.parents():
        if "flows.stage" not in " ".join(parent.cmdline()):
            return parent
    return process
