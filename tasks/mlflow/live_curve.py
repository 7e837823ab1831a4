"""Live curve: a training's curve in MLflow while it runs."""

import time
from collections.abc import Mapping

from tasks.mlflow.records import own_record
from tasks.mlflow.runs import open_holder, open_stage
from tasks.mlflow.server import Server, explain
from tasks.stage_name import StageName

LIVE_AFTER_S = 30.0
"""Seconds after which the curve is shown. A shorter training does not wait for MLflow's import."""


class LiveCurve:
    """A log of a training's curve while it runs, for `on_log` of `train_objective`.

    Args:
        stage: the stage that this process runs.
    """

    def __init__(self, stage: StageName) -> None:
        self._stage = str(stage)
        self._begun = time.monotonic()
        self._waiting: list[tuple[int, Mapping[str, float]]] = []
        self._run: tuple[Server, str] | None = None
        self._given_up = False

    def __call__(self, metrics: Mapping[str, float], step: int) -> None:
        """Log a point, with those before it that are not logged yet."""
        self._waiting.append((step, metrics))
        if self._given_up or time.monotonic() - self._begun < LIVE_AFTER_S:
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
            record = own_record(self._stage)
            assert record is not None, "a stage's record is there while it runs"
            server = Server()
            self._run = (server, open_stage(server, record, open_holder(server, record.invocation)))
        return self._run
