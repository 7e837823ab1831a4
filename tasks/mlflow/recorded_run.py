"""Recorded run: one command of ours that runs stages, and its row in MLflow."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from iterpref_core.config import load_params, with_values
from tasks.dvc.lock import read_lock
from tasks.mlflow.comparison_columns import merge_columns, read_scores, source_columns, training_columns
from tasks.mlflow.invocation import begin_invocation
from tasks.mlflow.records import RunRecord
from tasks.stage_name import StageName


@contextmanager
def recorded_run(command: str, values: Mapping[str, Any], name: str = "") -> Iterator[RunRecord]:
    """Record the block as a run that holds stages. The stages' processes find the run's `id` in RUN_VARIABLE.

    The record is kept as a file until `runs.sent_afterwards` sends it to MLflow.

    Args:
        command: the command, such as `iterpref run`.
        values: parameters that the command itself sets, by dotted key.
        name: name of the run; by default the parameters that differ.
    """
    params = with_values(load_params(), values)
    invocation = begin_invocation(command, params, values, name)
    record = RunRecord(id=invocation.id, invocation=invocation, started=invocation.started)
    record.save()
    try:
        yield record
    except Exception as error:
        record.end("FAILED", str(error) or type(error).__name__)
        raise
    except BaseException:
        record.end("KILLED", "it was told to end")
        raise
    else:
        record.end("FINISHED")


def add_results(record: RunRecord, done: Iterable[str], folder: Path) -> None:
    """Add to a run the stages that are up to date, and the columns and scores of the models that they made.

    Args:
        record: the run.
        done: DVC's names of the stages that are up to date.
        folder: the checkout or worktree in which they ran.
    """
    lock = read_lock(folder)
    # A stage without outputs is in no lock.
    names = [StageName.parse(name) for name in done if name in lock]
    record.stages = {str(name): lock[str(name)] for name in names}
    columns = [source_columns(record.invocation.source)]
    for name in names:
        if name.group == "training":
            columns.append(training_columns(name.item, lock[str(name)]))
    record.columns = merge_columns(columns)
    record.scores = read_scores(names, folder)
