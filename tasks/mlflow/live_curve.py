"""Live curve: a training's curve in MLflow while it runs."""

import time
from collections.abc import Mapping

from iterpref_core.records.config import Params
from tasks.dvc.lock import observe_inputs
from tasks.mlflow.command import own_command
from tasks.mlflow.execution import Execution
from tasks.mlflow.rows import open_command, open_stage
from tasks.mlflow.server import Server, explain
from tasks.stage_name import StageName

LIVE_AFTER_S = 30.0
"""Seconds after which the curve is shown. A shorter training does not wait for MLflow's import."""


class LiveCurve:
    """A log of a training's curve while it runs, for `on_log` of `train_objective`.

    Args:
        stage: the stage that this process runs.
        params: the parameters that it runs with.
    """

    def __init__(self, stage: StageName, params: Params) -> None:
        self._stage = stage
        self._params = params
        self._begun = time.time()
        self._waiting: list[tuple[int, Mapping[str, float]]] = []
        self._run: tuple[Server, str] | None = None
        self._given_up = False

    def __call__(self, metrics: Mapping[str, float], step: int) -> None:
        """Log a point, with those before it that are not logged yet."""
        self._waiting.append((step, metrics))
        if self._given_up or time.time() - self._begun < LIVE_AFTER_S:
            return
        try:
            server, run_id = self._open()
            for number, values in self._waiting:
                series = {name: {number: value} for name, value in values.items()}
                server.log_metrics(run_id, series, time.time())
            self._waiting.clear()
        except Exception as error:  # noqa: BLE001 - whatever it is, the training goes on, and has its curve at its end
            self._given_up = True
            print(f"warning: the curve is not shown while training runs: {explain(error)}")

    def _open(self) -> tuple[Server, str]:
        if self._run is None:
            server, command = Server(), own_command(self._params)
            execution = Execution(stage=str(self._stage), locked=observe_inputs(self._stage)[0])
            parent = open_command(server, command, self._begun)
            self._run = (server, open_stage(server, command, execution, parent, self._begun))
        return self._run
