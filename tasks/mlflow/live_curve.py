"""Live curve: a training's curve in MLflow while it runs."""

import sys
import time
from collections.abc import Mapping

from iterpref_core.records.config import Params
from tasks.dvc.lock import observe_stage
from tasks.mlflow.command import own_command
from tasks.mlflow.execution import Execution
from tasks.mlflow.rows import open_command, open_stage
from tasks.mlflow.server import Point, Server, explain
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
        self._waiting: list[Point] = []
        self._run: tuple[Server, str] | None = None
        self._given_up = False

    def __call__(self, metrics: Mapping[str, float], step: int) -> None:
        """Log a point, with those before it that are not logged yet."""
        if self._given_up:
            return
        self._waiting += [(name, step, value) for name, value in metrics.items()]
        if time.time() - self._begun < LIVE_AFTER_S:
            return
        try:
            if self._run is None:
                self._run = self._open()
            server, run_id = self._run
            server.log(run_id, time.time(), points=self._waiting)
            self._waiting.clear()
        except Exception as error:  # noqa: BLE001 - whatever it is, the training goes on, and has its curve at its end
            self._given_up = True
            print(f"warning: the curve is not shown while training runs: {explain(error)}", file=sys.stderr)

    def _open(self) -> tuple[Server, str]:
        server = Server()
        command = own_command(self._params)
        parent = open_command(server, command, self._begun)
        execution = Execution(stage=str(self._stage), locked=observe_stage(self._stage, outs=False))
        run_id = open_stage(server, command, execution, parent.info.run_id, self._begun).info.run_id
        # An earlier process of this training, which was killed, has shown the curve's beginning there.
        server.client.update_run(run_id, "RUNNING")
        return server, run_id
