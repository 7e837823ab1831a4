"""Run record of the pictures: what they show of a finished experiment, small enough for the repository.

`python -m docs.pictures.run_record FOLDER` reads the experiment in a folder and writes `docs/pictures/run`.
"""

import shutil
import sys
import tempfile
from collections.abc import Collection, Iterator
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

from docs.pictures.drawing import COLUMNS, RECORDED
from iterpref_core.config import load_params
from iterpref_core.errors import InputError
from iterpref_core.records import FocalSpans, PreferencePair, Problem, Trajectory
from iterpref_core.report.explorer_data import survey_outcomes
from iterpref_core.report.report import choose_pairs
from iterpref_core.storage.jsonl import read_jsonl, write_jsonl
from tasks.common.paths import FOCAL, METRICS, PAIRS, PROBLEMS, STUDENT, SUMMARY, TRAJECTORIES, model_path

R = TypeVar("R", PreferencePair, FocalSpans, Problem, Trajectory)

SHOWN = 30
"""Trajectories that are kept."""
LINES, PROMPT = 9, 200
"""Lines of a program and characters of a prompt that fit into the picture of a pair."""


def record_run(workspace: Path, out: Path = RECORDED) -> None:
    """Keep what the pictures show of a finished experiment, in place of what was kept before.

    Args:
        workspace: folder of the experiment.
        out: folder of the record.

    Raises:
        InputError: the experiment is not finished, or none of its pairs fits into a picture.
    """
    if not (workspace / SUMMARY).is_file():
        raise InputError(f"{workspace}: no finished experiment ({SUMMARY} is absent); run `make demo` there first")
    from iterpref_core.training.shifts import score_shifts

    params = load_params(workspace / "params.yaml")
    paired = {pair.task_id for pair in read_jsonl(workspace / PAIRS, PreferencePair)}
    _, order = survey_outcomes(workspace / TRAJECTORIES, paired)
    drawn = choose_drawn(workspace / PAIRS, workspace / FOCAL)
    of_report = choose_pairs(workspace / PAIRS, workspace / FOCAL, params.report.pairs_shown)
    kept = {task_id for task_id, _ in order[:SHOWN]}
    needed = kept | {pair.task_id for pair, _ in of_report}
    trained = workspace / model_path("target-rpo")
    shifts = score_shifts([drawn], workspace / STUDENT, trained, params.training, params.model.prompt)
    with tempfile.TemporaryDirectory(dir=out.parent) as temporary:
        folder = Path(temporary) / out.name
        shutil.copytree(workspace / METRICS / "training", folder / "training", ignore=shutil.ignore_patterns("*.json"))
        shutil.copy(workspace / SUMMARY, folder / "summary.json")
        write_jsonl(folder / "drawn.jsonl", [drawn])
        write_jsonl(folder / "shifts.jsonl", shifts)
        write_jsonl(folder / "pairs.jsonl", _of(workspace / PAIRS, PreferencePair, needed | {drawn.task_id}))
        write_jsonl(folder / "focal.jsonl", _of(workspace / FOCAL, FocalSpans, needed | {drawn.task_id}))
        write_jsonl(folder / "problems.jsonl", _of(workspace / PROBLEMS, Problem, kept))
        write_jsonl(folder / "trajectories.jsonl", _of(workspace / TRAJECTORIES, Trajectory, kept))
        shutil.rmtree(out, ignore_errors=True)
        folder.rename(out)


def choose_drawn(pairs: Path, spans: Path) -> PreferencePair:
    """The pair that is drawn: of those that fit, with a region, the one whose task_id has the smallest hash.

    Raises:
        InputError: none fits.
    """
    marked = {item.task_id for item in read_jsonl(spans, FocalSpans) if item.rejected}
    fitting = (pair for pair in read_jsonl(pairs, PreferencePair) if pair.task_id in marked and _fits(pair))
    found = min(fitting, key=lambda pair: sha256(pair.task_id.encode()).hexdigest(), default=None)
    if found is None:
        raise InputError(f"{pairs}: no pair has an error region and at most {LINES} lines of {COLUMNS} characters")
    return found


def _fits(pair: PreferencePair) -> bool:
    lines = [text.splitlines() for text in (pair.chosen, pair.rejected)]
    return len(pair.prompt) <= PROMPT and all(
        len(each) <= LINES and max(map(len, each), default=0) < COLUMNS for each in lines
    )


def _of(path: Path, kind: type[R], task_ids: Collection[str]) -> Iterator[R]:
    """The records of these task_ids, in the order of the file."""
    return (item for item in read_jsonl(path, kind) if item.task_id in task_ids)


if __name__ == "__main__":
    record_run(Path(sys.argv[1]))
