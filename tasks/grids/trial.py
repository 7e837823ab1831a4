"""Trials: train, score, keep the result. A finished one is never run again."""

import multiprocessing
import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from pydantic import Field

from iterpref_core.config import Params, with_values
from iterpref_core.errors import RecordError
from iterpref_core.objectives.objectives import ObjectiveName, find_objective
from iterpref_core.progress import show_progress
from iterpref_core.records import Record
from iterpref_core.storage.code_digest import code_digest
from iterpref_core.storage.jsonl import write_jsonl
from iterpref_core.storage.make_once import make_once
from iterpref_core.training.checkpoint import TRAINED_BY
from tasks.common.paths import PROBLEMS, WORK
from tasks.grids.lineage import FOLDER, Inputs, asked, code_of, digest, find_inputs, limits
from tasks.recording.trial_runs import record_trials


class Trial(Record):
    """What to train and score.

    Attributes:
        label: the row's name; of no consequence for the result.
        objective: of the table of objectives; None for the model as it is.
        values: the parameters that differ from the experiment's, by dotted key.
        split: `validation` for choosing anything, `heldout` for results.
        after: trainings that come first, each as (objective, values): their result is model and reference.
    """

    label: str
    objective: ObjectiveName | None
    values: dict[str, Any] = Field(default_factory=dict)
    split: str = "validation"
    after: tuple[tuple[ObjectiveName, dict[str, Any]], ...] = ()


class TrialScore(Record):
    """What became of a trial: the share of problems solved, and which ones."""

    pass_at_1: float
    n: int
    passed: tuple[str, ...]


def run_trials(
    title: str, trials: Sequence[Trial], params: Params, jobs: int, problems: Path = PROBLEMS
) -> list[TrialScore]:
    """Run what has not been run before, and record all of it in MLflow.

    Args:
        title: the name of their run in MLflow.
        trials: in any number; equal ones are run once.
        params: of the experiment.
        jobs: trials at once, sharing the cores.
        problems: JSONL with the split that is scored.

    Returns:
        The scores, in order.

    Raises:
        InputError: artifacts of the experiment are not there (run stage `localization` first), or values are wrong.
    """
    paths = [_path_of(trial, params, problems) for trial in trials]
    waiting = {path: trial for path, trial in zip(paths, trials, strict=True) if not path.exists()}
    with show_progress("trials", len(set(paths)), done=len(set(paths)) - len(waiting), unit="trials") as advance:
        for path, score in _run_all(waiting, params, jobs, problems):
            advance(note=f"{waiting[path].label}: {score.pass_at_1:.1%}")
    scores = [read_score(path) for path in paths]
    record_trials(title, [_record_of(trial, score) for trial, score in zip(trials, scores, strict=True)], params)
    return scores


def _record_of(trial: Trial, score: TrialScore) -> tuple[str, dict[str, Any], dict[str, float]]:
    values = {"objective": trial.objective or "none", "split": trial.split, **trial.values}
    values |= {f"after.{number}": step for number, step in enumerate(trial.after)}
    return trial.label, values, {f"{trial.split}/pass_at_1": score.pass_at_1, f"{trial.split}/n": float(score.n)}


def read_score(path: Path) -> TrialScore:
    """A score that was kept.

    Raises:
        RecordError: the file is broken.
    """
    try:
        return TrialScore.model_validate_json(path.read_bytes())
    except ValueError:
        raise RecordError(f"{path}: not a score; delete the file and run again") from None


def _path_of(trial: Trial, params: Params, problems: Path) -> Path:
    """Where a trial's score is kept: named by all that decides it."""
    settings = params.evaluation.model_dump(exclude={"benchmarks", "bootstrap"})
    decisive: list[object] = [problems, trial.split, settings, limits(params), *asked(params), code_of("evaluation")]
    for objective, values in (*trial.after, (trial.objective, trial.values)):
        own = with_values(params, values)
        decisive += [*find_inputs(own, values), objective, _settings(own, objective)]
    return FOLDER / "scores" / f"{digest(*decisive)}.json"


def _settings(params: Params, objective: ObjectiveName | None) -> dict[str, Any] | None:
    """What decides a training beside its data: settings, the objective's row and the code.

    `layout` is a way of computing the same.
    """
    if objective is None:
        return None
    shared = params.training.model_dump(exclude={"objectives", "layout"}) | {"prompt": params.model.prompt}
    row = find_objective(objective, params.training.objectives)
    return shared | {"row": row.values(), "code": code_digest(*TRAINED_BY)}


def _run_all(
    waiting: dict[Path, Trial], params: Params, jobs: int, problems: Path
) -> Iterator[tuple[Path, TrialScore]]:
    context = multiprocessing.get_context("spawn")
    threads = max(1, (os.cpu_count() or 1) // jobs)
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_limit_threads, initargs=(threads,)) as pool:
        runs = {pool.submit(_run_one, trial, params, problems, path): path for path, trial in waiting.items()}
        for finished in as_completed(runs):
            yield runs[finished], finished.result()


def _limit_threads(threads: int) -> None:
    import torch

    torch.set_num_threads(threads)


def _run_one(trial: Trial, params: Params, problems: Path, path: Path) -> TrialScore:
    from iterpref_core.evaluation.answerer import open_answerer
    from iterpref_core.evaluation.evaluation import JOURNALS
    from iterpref_core.evaluation.heldout import Heldout
    from iterpref_core.evaluation.program_runs import Journals

    folder = FOLDER / "running" / path.stem
    model = _train(trial, params, folder)
    options = (params.evaluation, params.inference, params.budget, FOLDER / "answers.sqlite", params.model.prompt)
    with open_answerer(model, *options) as (answerer, instruct), Journals(WORK / "evaluation" / JOURNALS) as journals:
        heldout = Heldout(problems, WORK / "evaluation", params.execution, journals, trial.split)
        entry = heldout.evaluate(["heldout"], answerer, instruct=instruct)["heldout"].entry
    score = TrialScore(pass_at_1=entry["pass_at_1"], n=entry["n"], passed=tuple(entry["passed"]))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_jsonl(path, [score])
    shutil.rmtree(folder, ignore_errors=True)
    return score


def _train(trial: Trial, params: Params, folder: Path) -> Path:
    """The trial's model: that of the trainings before it, trained further."""
    inputs = find_inputs(with_values(params, trial.values), trial.values)
    model = inputs.student
    for objective, values in trial.after:
        model = _trained_before(objective, with_values(params, values), inputs._replace(student=model))
    if trial.objective is None:
        return model
    own = with_values(params, trial.values)
    return _train_once(trial.objective, own, inputs._replace(student=model), folder)


def _trained_before(objective: ObjectiveName, params: Params, inputs: Inputs) -> Path:
    """A model that several trials start from is kept."""
    key = digest(*inputs, objective, _settings(params, objective))
    folder = FOLDER / "starts" / key
    return make_once(folder / "model", lambda out: _train_once(objective, params, inputs, folder / "work", out))


def _train_once(
    objective: ObjectiveName, params: Params, inputs: Inputs, folder: Path, out: Path | None = None
) -> Path:
    from iterpref_core.training.training import train_objective

    model = out or folder / "model"
    curve, work = folder / "curve.csv", WORK / "training"
    train_objective(
        inputs.pairs, inputs.spans, inputs.student, objective, params.training, model, curve, work,
        prompt=params.model.prompt,
    )  # fmt: skip
    return model
