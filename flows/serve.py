"""Serve the pages of Prefect and MLflow on loopback. Prefect's page can start experiments and sweeps."""

import asyncio
import os
import signal
import time
from contextlib import ExitStack, suppress
from typing import Any

from flows.prefect_session import TAG, create_automations, prefect_session
from tasks.addresses import without_passwords
from tasks.local_server import ServerError
from tasks.mlflow.pages import ADDRESS, charts_page, mlflow_server
from tasks.mlflow.server import tracking_uri
from tasks.paths import CHECKOUT, home
from tasks.prefect.server import PASSWORD, announced, named_prefect, prefect_server, running_prefect

END_OF_RUNS_S = 15.0
"""Seconds in which a run must end its stages after Ctrl-C; a stage has four of them (`tasks.subprocesses.GRACE_S`)."""


def serve_pages(port: int | None = None) -> None:
    """Start both servers, print their addresses, serve both flows until Ctrl-C, and stop the servers.

    Args:
        port: of Prefect's page, and MLflow's is the next one; by default 4200 and 5000, or any free ones.

    Raises:
        ServerError: a server did not start, or Prefect's ended.
    """
    # A shell script starts background commands with the interrupt ignored, but the interrupt has to end this one.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with ExitStack() as stack:
        named = named_prefect() and running_prefect()
        prefect = named or stack.enter_context(prefect_server(port))
        mlflow = tracking_uri()
        # A tracking server has its own pages; a database file needs a server that shows it.
        if not mlflow.startswith("http"):
            mlflow = stack.enter_context(mlflow_server(port and port + 1))
            stack.enter_context(announced(mlflow, ADDRESS))
        stack.enter_context(prefect_session(prefect))
        # Runs that the pages start import the flows from this checkout, before anything on the user's PYTHONPATH.
        places = [str(CHECKOUT), os.environ.get("PYTHONPATH", "")]
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, places))
        create_automations()
        print(f"Prefect  {without_passwords(prefect).removesuffix('/api')}  (Deployments → experiment-ui → Run)")
        print(f"MLflow   {without_passwords(charts_page(mlflow))}")
        if named is None:
            stack.enter_context(announced(prefect))
            print(
                f"Prefect's page says `Authentication failed` before you type: paste the line of {home() / PASSWORD}, "
                "once in each browser"
            )
        with suppress(KeyboardInterrupt):
            asyncio.run(_serve())
        print("stopping", flush=True)


async def _serve() -> None:
    """Serve both flows until the interrupt, one run at a time, because a checkout holds one run.

    The interrupt cancels a task instead of raising an exception: raised inside Prefect, it would print a traceback.
    """
    import psutil
    from prefect.runner import Runner

    async def serve_both() -> None:
        runner = Runner(limit=1, pause_on_shutdown=False)
        # In a thread: an interrupt during an import may be raised in a `__del__`, where Python ignores it.
        for deployment in await asyncio.to_thread(_deployments):
            await runner.add_deployment(deployment)  # type: ignore[misc]
        print("Ctrl-C stops both.", flush=True)
        await runner.start()

    servers = psutil.Process().children()
    serving = asyncio.ensure_future(serve_both())

    async def watch() -> None:
        """End the pages once a server has ended: Prefect would print errors for minutes."""
        while all(server.is_running() and server.status() != psutil.STATUS_ZOMBIE for server in servers):
            await asyncio.sleep(1)
        serving.cancel()

    async def end() -> None:
        """End the runs as well: each has its own session, which Ctrl-C does not reach, and Prefect waits for them.

        Wait until they have ended their stages. Prefect kills a run at once when serving is cancelled.
        """
        runs = [process for process in psutil.Process().children() if process not in servers]
        for process in runs:
            process.terminate()
        deadline = time.monotonic() + END_OF_RUNS_S
        while time.monotonic() < deadline and any(process.is_running() for process in runs):
            await asyncio.sleep(0.1)
        serving.cancel()

    ending: list[Any] = []  # kept, because the loop keeps no reference to what it runs
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, lambda: ending.append(asyncio.ensure_future(end())))
    # Prefect would install its own handler instead of ours, and leave the runs running.
    Runner.handle_sigterm = lambda *_: None  # type: ignore[method-assign]
    watching = asyncio.ensure_future(watch())
    with suppress(asyncio.CancelledError):
        await serving
    if watching.done():
        raise ServerError("a server of the pages has ended (.iterpref/logs may tell why); start `iterpref ui` again")


def _deployments() -> list[Any]:
    from flows.prefect_flows import experiment, sweep

    return [deployment_of(flow) for flow in (experiment, sweep)]


def deployment_of(flow: Any) -> Any:
    """Return a deployment of a flow in this checkout, for Prefect's `serve`.

    The user's settings on the server stay: schedules, a pause, default parameters, limits, tags. The deployments of
    docker/prefect.yaml, for work pools, have other names.
    """
    deployment = flow.to_deployment(name=f"{flow.name}-ui", tags=[TAG])
    # Prefect updates the fields that were set here, and leaves the others of an existing deployment unchanged.
    deployment.model_fields_set.intersection_update({"name", "flow_name", "entrypoint", "description"})
    return deployment
