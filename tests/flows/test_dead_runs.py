"""Flow runs whose process is gone, on the server that the other tests of flows share."""

from uuid import UUID

import psutil
import pytest

from flows.prefect_session import TAG, end_dead_runs, note_process, tagged_runs
from tasks.process import ProcessIdentity

pytestmark = [pytest.mark.xdist_group("Prefect server"), pytest.mark.usefixtures("prefect_server")]


def test_a_run_names_its_process_where_pages_do_not_show_it_and_is_crashed_once_that_is_gone() -> None:
    from prefect import flow
    from prefect.client.orchestration import get_client
    from prefect.runtime import flow_run
    from prefect.states import Running

    def named(noted: bool) -> UUID:
        if noted:
            note_process()
        return UUID(flow_run.id)

    with tagged_runs():
        watched = flow(name="watched", persist_result=False)(named)
        of_this_process, of_another, of_nobody = [watched(noted) for noted in (True, True, False)]
    mine = ProcessIdentity.observe(psutil.Process())
    with get_client(sync_client=True) as client:
        noted = client.read_flow_run(of_this_process)
        assert noted.tags == [TAG]
        assert {noted.labels[f"{TAG}.{field}"] for field in ("host", "pid", "start")} == set(mine.model_dump().values())
        client.update_flow_run_labels(of_another, {f"{TAG}.start": mine.start - 1})
        for run in (of_this_process, of_another, of_nobody):
            client.set_flow_run_state(run, Running(), force=True)
        end_dead_runs()
        states = [client.read_flow_run(run).state_name for run in (of_this_process, of_another, of_nobody)]
    assert states == ["Running", "Crashed", "Running"]
