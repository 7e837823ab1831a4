"""Experiment: the run of DVC's stages as a flow of Prefect. DVC is the only cache: a cached stage shows as `Cached`."""

from typing import Annotated, Any

from prefect import flow
from prefect.runtime import flow_run
from prefect.states import Completed
from pydantic import Field

from flows.prefect_display import PrefectPages
from flows.prefect_session import leave_out_tracebacks
from flows.reproduction import COMMAND, bring_up_to_date
from iterpref_core.cli.libraries import set_up_libraries
from tasks.git.source import name_run, observe_source


def _name_run() -> str:
    """Return the name of the present flow run, such as `beta=0.3`: MLflow's run of the same command has it, too."""
    return name_run(COMMAND, observe_source().with_values(flow_run.parameters["values"]))


@flow(
    name="experiment",
    flow_run_name=_name_run,
    retries=0,  # whatever the user's settings say: a mistake stays one
    persist_result=False,
)
def experiment(
    stages: tuple[str, ...] = (),
    values: dict[str, Any] = {},  # noqa: B006 - Prefect's form begins with it, and nothing changes it
    jobs: Annotated[int, Field(ge=1, le=64)] = 2,
) -> Any:
    """Bring stages, and all that they need, up to date.

    With `values` this happens in a git worktree; params.yaml and results of the checkout do not change.

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
