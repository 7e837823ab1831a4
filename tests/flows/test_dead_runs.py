"""Flow runs whose process is gone, on the server that the other tests of flows share."""

import os
import socket
import subprocess
import sys
from uuid import UUID

import pytest

from flows.prefect_session import TAG, end_dead_runs, tell_process

pytestmark = [pytest.mark.xdist_group("Prefect server"), pytest.mark.usefixtures("prefect_server")]


@pytest.mark.slow
def test_prefect_knows_a_run_s_process_without_a_tag_and_the_run_is_crashed_once_that_is_gone() -> None:
    from prefect import flow, tags
    from prefect.client.orchestration import get_client
    from prefect.runtime import flow_run
    from prefect.states import Running

    def named(told: bool) -> UUID:
        if told:
            tell_process()
        return UUID(flow_run.id)

    with tags(TAG):
        watched = flow(name="watched", persist_result=False)(named)
        runs = [watched(told) for told in (True, True, True, False)]
    of_this_process, of_another, of_another_host, _ = runs
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    with get_client(sync_client=True) as client:
        seen = client.read_flow_run(of_this_process)
        assert seen.tags == [TAG]
        assert seen.infrastructure_pid == f"{socket.gethostname()}:{os.getpid()}"
        client.update_flow_run(of_another, infrastructure_pid=f"{socket.gethostname()}:{ended.pid}")
        client.update_flow_run(of_another_host, infrastructure_pid=f"elsewhere:{ended.pid}")
        for run in runs:
            client.set_flow_run_state(run, Running(), force=True)
        end_dead_runs()
        states = [client.read_flow_run(run).state_name for run in runs]
    assert states == ["Running", "Crashed", "Running", "Running"]
