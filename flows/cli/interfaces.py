"""`iterpref ui`: the Prefect server with experiment and sweep served, and MLflow's interface, on loopback."""

import asyncio
import os
import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import typer

from tasks.common.paths import STATE
from tasks.orchestration.processes import end_leftovers
from tasks.orchestration.services import (
    LOOPBACK,
    MLFLOW_PORT,
    PREFECT_PORT,
    Interfaces,
    LocalService,
    announced,
    announced_interfaces,
    log_to_prefect,
    prefect_environment,
    reserved_port,
    start_prefect,
)


def serve_interfaces() -> None:
    """Start both, print their addresses, serve both flows until Ctrl-C, stop both.

    Raises:
        ServiceError: one of them did not start.
    """
    from tasks.recording.tracking import Tracker

    # A script's shell lets what it starts in the background ignore the interrupt, which is how this ends.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    end_leftovers()
    with ExitStack() as stack:
        prefect_port, mlflow_port = (stack.enter_context(reserved_port(port)) for port in _preferred_ports())
        url = f"http://{LOOPBACK}:{prefect_port}/api"
        os.environ |= {**prefect_environment(STATE / "prefect"), "PREFECT_API_URL": url}
        log_to_prefect()
        services = [start_prefect(prefect_port, interface=True)]
        stack.callback(services[0].stop)
        tracker = Tracker()  # it delivers what earlier runs left
        mlflow = tracker.address
        if not mlflow.startswith("http"):  # a tracking server has pages of its own
            tracker.server.set_up()
            services.append(_start_mlflow(tracker.server.uri, mlflow_port))
            stack.callback(services[1].stop)
            mlflow = f"http://{LOOPBACK}:{mlflow_port}"
        table = tracker.table(mlflow)
        tracker.close()
        for service in services:
            service.wait_healthy()
        typer.echo(f"Prefect  http://{LOOPBACK}:{prefect_port}  (Deployments → experiment or sweep → Run)")
        typer.echo(f"MLflow   {mlflow}  (Model training → Experiments → iterpref)")
        if table:
            typer.echo(f"         {table}  (models by pass@1)")
        typer.echo("Ctrl-C stops both.")
        stack.enter_context(announced(Interfaces(prefect=url, mlflow=mlflow)))
        _serve_flows()


def _preferred_ports() -> tuple[int, int]:
    """Prefect's and MLflow's: those of interfaces that were killed, to which a run may still report, or the usual."""
    if (left := announced_interfaces()) is None:
        return PREFECT_PORT, MLFLOW_PORT
    return urlsplit(left.prefect).port or 0, urlsplit(left.mlflow).port or 0


def _start_mlflow(uri: str, port: int) -> LocalService:
    """Serve the data base."""
    artifacts = (Path.cwd() / "mlartifacts").as_uri()
    command = [sys.executable, "-m", "mlflow", "server"]
    command += ["--default-artifact-root", artifacts, "--host", LOOPBACK, "--port", str(port), "--workers", "1"]
    own = {
        # The address may hold a password, and everybody on the machine may read a command line.
        "MLFLOW_BACKEND_STORE_URI": uri,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        # Its jobs (judges of traces, and the like) are nothing that we record for, and run in four more processes.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    return LocalService("mlflow", command, own, f"http://{LOOPBACK}:{port}/health")


def _serve_flows() -> None:
    """Serve both flows until interrupted; one run at a time, because a workspace holds one."""
    from prefect.runner import Runner

    from flows.experiment import experiment
    from flows.sweep import sweep
    from tasks.orchestration.deployment_forms import close_form

    runner = Runner(name="local", limit=1, pause_on_shutdown=False)
    try:
        for flow in (experiment, sweep):
            deployment = runner.add_flow(flow, name="local")
            assert isinstance(deployment, UUID), "where nothing is asynchronous, this is not either"
            close_form(deployment)
        asyncio.run(runner.start())
    except KeyboardInterrupt:
        typer.echo("stopping")
