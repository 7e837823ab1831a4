"""Recorded stage: one call of the core, with its metrics written, and a record of the execution."""

import csv
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path

from iterpref_core.config import Params
from iterpref_core.report.summary_record import read_summary
from iterpref_core.storage.jsonl import atomic_writer
from tasks.dvc.lock import observe_inputs, observe_outputs
from tasks.mlflow.comparison_columns import read_scores, source_columns, stage_columns, stages_behind, summary_scores
from tasks.mlflow.invocation import Invocation, dvc_invocation
from tasks.mlflow.records import PAGE_VARIABLE, RUN_VARIABLE, StageRecord, TornRecordError, read_record, unsent
from tasks.mlflow.server import log_defect
from tasks.paths import REPORTS, SUMMARY, metrics_path
from tasks.stage_name import StageName

SHOWN_LINES = 200
"""Number of lines of a JSONL output that MLflow shows."""

Metrics = dict[str, float]


@contextmanager
def recorded(stage: StageName, params: Params) -> Iterator[Metrics]:
    """Record the block as an execution of a stage, and write the metrics that it puts into the dictionary.

    The record is there before the block begins, so that a killed stage leaves one.

    Args:
        stage: its name.
        params: the parameters that it runs with.
    """
    record = StageRecord(
        stage=str(stage),
        invocation=_invocation(params),
        page=os.environ.get(PAGE_VARIABLE, ""),
    )
    with _spared(stage):
        record.locked, lock = observe_inputs(stage)
        record.behind = stages_behind(record.locked, lock)
        columns = stage_columns(stage, record.locked, record.behind)
        record.columns = columns | source_columns(record.invocation.source)
    # DVC has computed the digests of the inputs by now, so the time is the stage's own.
    record.started = time.time()
    with _spared(stage):
        record.save()
    metrics: Metrics = {}
    try:
        yield metrics
    except BaseException as error:
        with _spared(stage):
            if isinstance(error, Exception):
                record.end("FAILED", str(error) or type(error).__name__)
            else:
                record.end("KILLED", "it was told to end")
        raise
    record.ended = time.time()
    with atomic_writer(metrics_path(stage)) as file:
        json.dump(metrics, file, indent=2)
        file.write("\n")
    with _spared(stage):
        record.metrics = metrics
        _add_outputs(record, stage)
        record.end("FINISHED")


@contextmanager
def _spared(stage: StageName) -> Iterator[None]:
    """Turn every error in the block into a warning: a record must not cost the work of hours."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - DVC's, git's, the disk's
        log_defect(error)
        reason = f"{type(error).__name__}: {error}"
        print(f"warning: the record of {stage} in MLflow will not be complete: {reason}", file=sys.stderr)


def _invocation(params: Params) -> Invocation:
    """Return the run that RUN_VARIABLE names, or else the `dvc repro` that called this process."""
    identity = os.environ.get(RUN_VARIABLE)
    if identity:
        with suppress(TornRecordError):
            return read_record(unsent() / identity).invocation
    return dvc_invocation(params)


def _add_outputs(record: StageRecord, stage: StageName) -> None:
    """Add digests, scores, a training's curve, and those files and lines that MLflow shows."""
    outs = observe_outputs(stage)
    record.locked = record.locked.model_copy(update={"outs": outs})
    if stage.group == "report":
        record.scores = summary_scores(read_summary(SUMMARY))
    else:
        record.scores = read_scores([stage])
    curve = metrics_path(stage).with_suffix(".curve.csv")
    if curve.is_file():
        record.curve = list(csv.DictReader(curve.read_text(encoding="utf-8").splitlines()))
    for out in outs:
        path = Path(out.path)
        if path.suffix == ".jsonl":
            _copy_first_lines(path, record.files / path.name)
        elif path == REPORTS:
            shutil.copytree(path, record.files / path.name, dirs_exist_ok=True)


def _copy_first_lines(source: Path, target: Path) -> None:
    with source.open(encoding="utf-8") as file, atomic_writer(target) as copy:
        copy.writelines(islice(file, SHOWN_LINES))
