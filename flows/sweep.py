"""Run a grid of trainings (`flows.points`) as a flow of Prefect."""

from typing import Annotated, Any

from prefect import flow
from prefect.runtime import flow_run
from pydantic import Field

from flows.points import SweepResult, run_sweep
from flows.prefect_display import PrefectPages
from flows.prefect_session import leave_out_tracebacks
from iterpref_core.cli.libraries import set_up_libraries
from iterpref_core.records import BenchmarkName, ObjectiveName
from tasks.dotted_keys import describe_values
from tasks.stages import trained_objectives


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
