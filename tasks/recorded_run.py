"""Recorded run: one command of ours, which runs stages, and what its row in MLflow says at its end."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from iterpref_core.config import load_params, with_values
from tasks.comparison_columns import merge_columns, read_scores, source_columns, training_columns
from tasks.dvc_lock import read_lock
from tasks.invocation import begin_invocation
from tasks.mlflow_runs import send_records
from tasks.records import RunRecord
from tasks.stage_name import StageName


@contextmanager
def recorded_run(command: str, values: Mapping[str, Any], name: str = "") -> Iterator[RunRecord]:
    """Record the block as a run that holds stages; their processes are told its `id` in RUN_VARIABLE.

    Args:
        command: what the user called.
        values: parameters that it sets itself, by dotted key.
        name: what the run is called; by default what is different in it.
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
    finally:
        send_records()


def add_results(record: RunRecord, done: Iterable[str], folder: Path) -> None:
    """Add to a run what it says of its models: columns, scores, and which stages made them.

    Args:
        record: the run.
        done: DVC's names of the stages that are up to date.
        folder: where they are.
    """
    lock = read_lock(folder)
    names = [StageName.parse(name) for name in done if name in lock]
    record.stages = {str(name): lock[str(name)] for name in names}
    trained = [training_columns(name.item, lock[str(name)]) for name in names if name.group == "training"]
    record.columns = merge_columns([*trained, source_columns(record.invocation.source)])
    record.scores = read_scores(names, folder)
