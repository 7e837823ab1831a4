"""Run DVC's stages, and sweeps, as flows of Prefect. DVC is the only cache: a cached stage is shown as `Cached`."""

import re
from typing import Annotated, Any

from prefect import flow
from prefect.runtime import flow_run
from prefect.states import Completed
from pydantic import Field

from flows.prefect_display import PrefectPages
from flows.prefect_session import leave_out_tracebacks
from flows.run_stages import COMMAND, bring_up_to_date
from flows.sweep import SweepResult, run_sweep
from iterpref_core.cli.libraries import set_up_libraries
from iterpref_core.records import BenchmarkName, ObjectiveName
from tasks.changed_values import describe_values
from tasks.git.source import name_run, observe_source
from tasks.stages import trained_objectives


def _name_run() -> str:
    """Return the name of the current flow run, such as `beta=0.3`, as MLflow's run of the command is named.

    A name that was typed into the form stays; Prefect's own names are two words, such as `cryptic-skunk`.
    """
    if flow_run.name and not re.fullmatch(r"[a-z]+-[a-z]+", flow_run.name):
        return str(flow_run.name)
    return name_run(COMMAND, observe_source().with_values(flow_run.parameters["values"]))


@flow(
    name="experiment",
    flow_run_name=_name_run,
    retries=0,  # overrides the user's settings: a mistake fails again
    persist_result=False,
)
def experiment(
    stages: tuple[str, ...] = (),
    values: dict[str, Any] = {},  # noqa: B006 - the default in Prefect's form; never changed here
    jobs: Annotated[int, Field(ge=1, le=64)] = 2,
) -> Any:
    """Bring stages and everything they need up to date.

    With `values` this happens in a git worktree. The checkout's params.yaml and results do not change.

    Args:
        stages: names from dvc.yaml; `training` means all of `training@…`. Without names the whole experiment runs.
        values: parameters to change, by dotted key, such as {"training.beta": 0.3}.
        jobs: number of stages that run at the same time.

    Returns:
        The folder that holds the results.
    """
    set_up_libraries()
    leave_out_tracebacks()
    pages = PrefectPages()
    folder = bring_up_to_date(stages, values, jobs, pages)
    return Completed(message=pages.outcome, data=str(folder))  # the last line of the log


def _name_sweep() -> str:
    """Return the name of the current flow run, such as `tune` or `sft, dpo beta=0.1,0.3`."""
    chosen = flow_run.parameters
    subject = chosen["preset"] or ", ".join(chosen["objectives"] or trained_objectives())
    listed = {key: ",".join(map(str, values)) for key, values in chosen["values"].items()}
    return f"{subject} {describe_values(listed)}".strip()


@flow(
    name="sweep",
    flow_run_name=_name_sweep,
    retries=0,  # overrides the user's settings: a mistake fails again
    persist_result=False,
)
def sweep(
    preset: str | None = None,
    objectives: tuple[ObjectiveName, ...] = (),
    values: dict[str, list[Any]] = {},  # noqa: B006 - the default in Prefect's form; never changed here
    benchmark: BenchmarkName | None = None,
    seeds: Annotated[int, Field(ge=1)] = 1,
    jobs: Annotated[int, Field(ge=1, le=64)] = 1,
) -> SweepResult:
    """Train and score every point of a grid, and compare each to the first.

    Finished points come from DVC's cache. If a point fails, the others still run.

    Args:
        preset: a grid of config/ablations.yaml: `rates`, `tune` or an ablation of the paper.
        objectives: objectives to train; by default the preset's or the experiment's.
        values: parameters by dotted key, each with the list of its values.
        benchmark: benchmark to score on, by default `validation`. Never choose settings on `heldout`.
        seeds: number of trainings for each point; seeds count up from the point's `training.seed`.
        jobs: number of points at the same time; each takes its own GPU.

    Raises:
        RefusedPointsError: points failed, all because of their input or parameters.
        FailedPointsError: a point failed for another reason.
        InputError: the grid is wrong, or git does not know the user.
    """
    set_up_libraries()
    leave_out_tracebacks()
    return run_sweep(preset, objectives, values, benchmark, seeds, jobs, PrefectPages())
