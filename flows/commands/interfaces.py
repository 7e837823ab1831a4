"""`iterpref ui`: the Prefect server with the experiment served, and MLflow's interface, on loopback."""

import asyncio
import os
import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from uuid import UUID

import typer

from tasks.common.paths import STATE
from tasks.orchestration.processes import end_leftovers
from tasks.orchestration.services import (
    LOOPBACK,
    Interfaces,
    Service,
    announced,
    free_port,
    log_to_prefect,
    prefect_environment,
    start_prefect,
)


def serve_interfaces() -> None:
    """Start both, print their addresses, serve the experiment until Ctrl-C, stop both.

    Raises:
        ServiceError: one of them did not start.
    """
    from tasks.recording.outbox import public_address
    from tasks.recording.server import tracking_uri

    # A script's shell lets what it starts in the background ignore the interrupt, which is how this ends.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    end_leftovers()
    prefect_port, mlflow_port = free_port(4200), free_port(5000)
    os.environ |= {**prefect_environment(STATE / "prefect"), "PREFECT_API_URL": f"http://{LOOPBACK}:{prefect_port}/api"}
    log_to_prefect()
    with ExitStack() as stack:
        services = [start_prefect(prefect_port, interface=True)]
        stack.callback(services[0].stop)
        mlflow = tracking_uri()
        if not mlflow.startswith("http"):  # a tracking server has pages of its own
            services.append(_start_mlflow(mlflow, mlflow_port))
            stack.callback(services[1].stop)
            mlflow = f"http://{LOOPBACK}:{mlflow_port}"
        for service in services:
            service.wait_healthy()
        mlflow = public_address(mlflow)
        typer.echo(f"Prefect  http://{LOOPBACK}:{prefect_port}  (Deployments → experiment → Run)")
        typer.echo(f"MLflow   {mlflow}  (Model training → Experiments → iterpref)")
        typer.echo("Ctrl-C stops both.")
        stack.enter_context(announced(Interfaces(prefect=os.environ["PREFECT_API_URL"], mlflow=mlflow)))
        _serve_experiment()


def _start_mlflow(uri: str, port: int) -> Service:
    """Serve the data base, after it has got what earlier runs left for it."""
    from tasks.recording.tracking import Tracker

    tracker = Tracker()
    tracker.server.set_up()
    tracker.close()
    artifacts = (Path.cwd() / "mlartifacts").as_uri()
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri]
    command += ["--default-artifact-root", artifacts, "--host", LOOPBACK, "--port", str(port), "--workers", "1"]
    return Service("mlflow", command, {"MLFLOW_DISABLE_TELEMETRY": "true"}, f"http://{LOOPBACK}:{port}/health")


def _serve_experiment() -> None:
    """Serve the flow until interrupted; one run at a time, because a workspace holds one."""
    from prefect.runner import Runner

    from flows.experiment import experiment
    from tasks.orchestration.forms import close_form

    runner = Runner(name="local", limit=1, pause_on_shutdown=False)
    try:
        deployment = runner.add_flow(experiment, name="local")
        assert isinstance(deployment, UUID), "there is no event loop here, so that the call is not asynchronous"
        close_form(deployment)
        asyncio.run(runner.start())
    except KeyboardInterrupt:
        typer.echo("stopping")
