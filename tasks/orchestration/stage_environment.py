"""Stage environment variables: what the orchestrator tells a stage's process."""

import os
import sys
from pathlib import Path
from uuid import UUID

PARENT_VARIABLE = "ITERPREF_PARENT_FLOW_RUN"
"""Names the flow run under which a stage shows as a subflow. Its presence also says that the orchestrator records
the stage in MLflow."""
LABEL_VARIABLE = "ITERPREF_RUN_LABEL"
"""Says to which of several experiments of a flow run a stage belongs."""

USAGE_EXIT = 2
"""The exit code of bad input."""
HOME_VARIABLE = "DVC_ROOT"
"""Names the workspace to which a copy of it belongs; DVC's own name for that, under `dvc exp run --temp`."""


def home() -> Path:
    """The workspace's root, also for a run that happens in a copy of it."""
    return Path(os.environ.get(HOME_VARIABLE, "."))


def child_environment(parent: UUID, cores: int, label: str) -> dict[str, str]:
    """This process's environment, made fit for a stage.

    Prefect's own `PREFECT__` variables would make the child believe that it is this flow run. The project's `python`
    comes first on the path. Numerical libraries use the cores that the stage was given.

    Args:
        parent: the orchestrator's flow run.
        cores: how many threads numerical libraries may use.
        label: stands before the subflow's name, where a flow run holds several experiments.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT__")}
    environment[PARENT_VARIABLE] = str(parent)
    environment[LABEL_VARIABLE] = label
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    environment["OMP_NUM_THREADS"] = str(cores)
    environment["PYTHONUNBUFFERED"] = "1"
    environment["PREFECT_LOGGING_LEVEL"] = "CRITICAL"  # the stage says itself what went wrong, once
    return environment


def set_up_libraries() -> None:
    """Settings of numerical libraries that they read when they are imported; what the user has set stays.

    Idle threads sleep instead of spin: on two cores that other processes also used, 24 s became 5 s. On idle cores
    nothing is lost. Loading and saving weights shows no bars: stages show their own progress.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
