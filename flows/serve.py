"""Pages on loopback: Prefect's, with experiment and sweep ready to be started there, and MLflow's."""

import asyncio
import os
import signal
import socket
from contextlib import ExitStack, suppress
from typing import Any

from flows.prefect_session import TAG, create_automations, prefect_session
from tasks.addresses import without_passwords
from tasks.mlflow.pages import ADDRESS, mlflow_server
from tasks.mlflow.server import tracking_uri
from tasks.paths import CHECKOUT, home
from tasks.prefect.server import PASSWORD, announced, named_prefect, prefect_server


def serve_pages() -> None:
    """Start both servers, print their addresses, serve both flows until Ctrl-C, and end both.

    Raises:
        ServerError: one of them did not start, or Prefect's ended.
    """
    # A script's shell lets what it starts in the background ignore the interrupt, which is how this ends.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with ExitStack() as stack:
        named = named_prefect()
        prefect = named or stack.enter_context(prefect_server())
        mlflow = tracking_uri()
        if not mlflow.startswith("http"):  # a tracking server has pages of its own
            mlflow = stack.enter_context(mlflow_server())
            stack.enter_context(announced(mlflow, ADDRESS))
        stack.enter_context(prefect_session(prefect))
        # The runs that the pages start import the flows from here, whatever else the user has them import.
        places = [str(CHECKOUT), os.environ.get("PYTHONPATH", "")]
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, places))
        create_automations()
        stack.enter_context(announced(prefect))
        print(f"Prefect  {without_passwords(prefect).removesuffix('/api')}  (Deployments → experiment or sweep → Run)")
        print(f"MLflow   {without_passwords(mlflow)}")
        if named is None:
            print(f"Prefect's page asks once for a password: it is in {home() / PASSWORD}")
        with suppress(KeyboardInterrupt):
            asyncio.run(_serve())
        print("stopping", flush=True)


async def _serve() -> None:
    """Serve both flows until the interrupt; one run at a time, because a checkout holds one.

    An exception in the middle of Prefect's tasks would show its traceback.
    """
    import psutil
    from prefect import aserve
    from prefect.runner import Runner

    async def serve_both() -> None:
        # In a thread: an interrupt while a library is imported may be raised where Python ignores it, in a `__del__`.
        deployments = await asyncio.to_thread(_deployments)
        await aserve(*deployments, limit=1, pause_on_shutdown=False, print_starting_message=False)

    servers = psutil.Process().children()
    serving = asyncio.ensure_future(serve_both())

    def stop() -> None:
        """End the runs too: each has a session of its own, which no Ctrl-C reaches, and Prefect waits for them."""
        for process in psutil.Process().children():
            if process not in servers:
                process.terminate()
        serving.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    # Prefect's own handler, which takes the place of ours, would leave the runs behind.
    Runner.handle_sigterm = lambda *_: None  # type: ignore[method-assign]
    # Only now: an interrupt in the middle of an import above would end Python by that signal, whoever catches it.
    print("Ctrl-C stops both.", flush=True)
    with suppress(asyncio.CancelledError):
        await serving


def _deployments() -> list[Any]:
    from flows.experiment import experiment
    from flows.sweep import sweep

    return [deployment_of(flow) for flow in (experiment, sweep)]


def deployment_of(flow: Any) -> Any:
    """Return a deployment of a flow in this checkout, for Prefect's `serve`.

    On the server, the user's settings stay: schedules, a pause, default parameters, limits, tags. A deployment of a
    work pool stays as a whole, and this checkout's has another name then.
    """
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound

    name = flow.name
    with get_client(sync_client=True) as client, suppress(ObjectNotFound):
        if client.read_deployment_by_name(f"{flow.name}/{name}").work_pool_name:
            name = f"{flow.name}-{socket.gethostname()}"
    deployment = flow.to_deployment(name=name, tags=[TAG])
    # Prefect sends an existing deployment what was set here, and leaves the rest as it is.
    deployment.model_fields_set.intersection_update({"name", "flow_name", "entrypoint", "description"})
    return deployment
