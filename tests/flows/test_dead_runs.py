"""Flow runs whose process is gone, on the server that the other tests of flows share."""

import os
import socket
import subprocess
import sys

import pytest

from flows.prefect_session import TAG, end_dead_runs, tell_process

pytestmark = [pytest.mark.xdist_group("Prefect server"), pytest.mark.usefixtures("prefect_server")]


def test_prefect_knows_a_run_s_process_without_a_tag_and_the_run_is_crashed_once_that_is_gone() -> None:
    from prefect import flow, tags
    from prefect.client.orchestration import get_client
    from prefect.runtime import flow_run
    from prefect.states import Running

    def named() -> str:
        return str(flow_run.id)

    with tags(TAG):
        of_this_process, of_another, of_another_host, of_nobody = [
            flow(name="watched", persist_result=False, on_running=hooks)(named)()
            for hooks in ([tell_process], [tell_process], [tell_process], [])
        ]
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    with get_client(sync_client=True) as client:
        noted = client.read_flow_run(of_this_process)
        assert noted.tags == [TAG]
        assert noted.infrastructure_pid == f"{socket.gethostname()}:{os.getpid()}"
        client.update_flow_run(of_another, infrastructure_pid=f"{socket.gethostname()}:{ended.pid}")
        client.update_flow_run(of_another_host, infrastructure_pid=f"elsewhere:{ended.pid}")
        runs = (of_this_process, of_another, of_another_host, of_nobody)
        for run in runs:
            client.set_flow_run_state(run, Running(), force=True)
        end_dead_runs()
        states = [client.read_flow_run(run).state_name for run in runs]
    assert states == ["Running", "Crashed", "Running", "Running"]
