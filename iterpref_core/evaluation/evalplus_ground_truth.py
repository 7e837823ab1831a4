"""EvalPlus's expected outputs and, with them, what the benchmark's own solutions score: once per data and machine."""

import hashlib
import json
import logging
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from filelock import FileLock

from iterpref_core.evaluation.evalplus_data import EvalPlusData
from iterpref_core.evaluation.evalplus_process import HARNESS, Scored, Scoring, run_harness
from iterpref_core.evaluation.scores import GroundTruth
from iterpref_core.jsonl import atomic_writer
from iterpref_core.progress import show_progress

logger = logging.getLogger(__name__)

_RECORD = "ground_truth.json"
_LAYOUT = 2
"""Of the stored outputs; a change of `evalplus_harness.StoredOutputs` makes earlier ones useless."""


@dataclass(frozen=True)
class Oracle:
    """Expected outputs in `folder`, and the verdicts on the canonical solutions by the tests they went through."""

    folder: Path
    base: GroundTruth
    plus: GroundTruth


def prepare_oracle(data: EvalPlusData, cache: Path, workers: int) -> Oracle:
    """Compute the expected outputs, and score the canonical solutions by them on the path that models' programs take.

    About a minute and a half of CPU for both data sets, the first time; after that the answer lies in `cache`. How long
    each canonical solution takes decides the time limits, so another machine computes its own. Solutions that failed,
    perhaps because the machine was busy, are tried again every time.

    Raises:
        ExecutionError: the harness does not work here.
    """
    folder = cache / "oracle" / f"{data.name}-{_key(data)}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if not (folder / _RECORD).is_file():
            _build(data, folder, workers)
        verdicts = _retry_failed(data, folder, workers)
    return Oracle(
        folder,
        GroundTruth.of((task_id, scored.base) for task_id, scored in verdicts.items()),
        GroundTruth.of((task_id, scored.plus) for task_id, scored in verdicts.items()),
    )


def score_items(
    data: EvalPlusData, oracle: Path, items: list[Scoring], workers: int, *, ground_truth: bool = False
) -> list[Scored]:
    """Score programs, in the order of the items, with a progress bar."""
    action: Literal["check", "ground_truth"] = "ground_truth" if ground_truth else "check"
    scored: dict[int, Scored] = {}
    description = f"{data.name}: {'ground truth' if ground_truth else 'score'}"
    with show_progress(description, len(items)) as advance:
        for index, result in run_harness(action, data, oracle, items, workers):
            scored[index] = result
            advance(1)
    return [scored[index] for index in range(len(items))]


def canonical_items(data: EvalPlusData) -> list[Scoring]:
    """The benchmark's own solutions."""
    return [Scoring(task.task_id, task.prompt + task.canonical_solution) for task in data.tasks]


def _key(data: EvalPlusData) -> str:
    machine = [_LAYOUT, data.sha256, HARNESS, platform.node(), platform.machine(), platform.python_version()]
    return hashlib.sha256(json.dumps(machine).encode()).hexdigest()[:32]


def _build(data: EvalPlusData, folder: Path, workers: int) -> None:
    building = folder.with_suffix(".building")
    shutil.rmtree(building, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
    building.mkdir()
    items = canonical_items(data)
    scored = score_items(data, building, items, workers, ground_truth=True)
    _write(building, {item.task_id: result for item, result in zip(items, scored, strict=True)})
    building.rename(folder)


def _retry_failed(data: EvalPlusData, folder: Path, workers: int) -> dict[str, Scored]:
    """The recorded verdicts, those that are not `passed` after another attempt."""
    items = {item.task_id: item for item in canonical_items(data)}
    record = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
    verdicts = {task_id: Scored(items[task_id].solution, *record[task_id]) for task_id in items}
    failed = [task_id for task_id, scored in verdicts.items() if scored.plus != "passed"]
    if failed:
        again = score_items(data, folder, [items[task_id] for task_id in failed], workers)
        verdicts.update(zip(failed, again, strict=True))
        _write(folder, verdicts)
        names = [task_id for task_id in failed if verdicts[task_id].plus != "passed"]
        if names:
            logger.warning("%s: the benchmark's own solutions fail for %s", data.name, ", ".join(names))
    return verdicts


def _write(folder: Path, verdicts: dict[str, Scored]) -> None:
    with atomic_writer(folder / _RECORD) as file:
        json.dump({task_id: [scored.base, scored.plus] for task_id, scored in verdicts.items()}, file, indent=1)
