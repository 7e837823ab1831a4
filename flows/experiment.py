"""Run DVC's stages as a flow of Prefect. DVC is the only cache: a cached stage is shown as `Cached`."""

import re
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
