"""Trials: train, score, keep the result. A finished one is never run again."""

import logging
import multiprocessing
import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import Field

from iterpref_core.config import Params, with_values
from iterpref_core.errors import RecordError, TrainingError
from iterpref_core.evaluation.scores import Entry
from iterpref_core.progress import show_progress
from iterpref_core.records import Divergence, Problem, Record
from iterpref_core.storage.jsonl import read_jsonl, write_jsonl
from tasks.common.paths import WORK
from tasks.common.stage_body import cpu_s
from tasks.grids.lineage import EXPERIMENT, FOLDER, Artifacts, asked, code_of, digest, find_inputs, limits
from tasks.grids.trial_training import Training, TrainingName, train_before, train_once, training_settings
from tasks.recording.trial_runs import record_trials

logger = logging.getLogger(__name__)

_TRIALS_A_PROCESS = 40
"""After which a process ends, on average: its memory grows (2.4 GB after ten trials of 1,000 pairs), and starting one
takes ten seconds."""

INSIDE = {"pairs": 200, "problems": 150, "samples": 10, "temperature": 0.8}
"""How much of a trial is looked into: pairs, as many other programs, and problems that are answered several times."""


class Inside(Record):
    """What a model became beside its score: `pass_at_10` of the first problems, and how far it is from its start.

    `divergence` is None for the start itself.
    """

    pass_at_10: float
    divergence: Divergence | None = None


class Trial(Record):
    """What to train and score.

    Attributes:
        label: the row's name; of no consequence for the result.
        objective: of the table of objectives, or `grpo`; None for the model as it is.
        values: the parameters that differ from the experiment's, by dotted key.
        split: `validation` for choosing anything, `heldout` for results.
        after: trainings that come first: their result is model and reference.
        inside: whether what changed inside the model is measured as well.
    """

    label: str
    objective: TrainingName | None
    values: dict[str, Any] = Field(default_factory=dict)
    split: str = "validation"
    after: tuple[Training, ...] = ()
    inside: bool = False


class TrialScore(Record):
    """What became of a trial.

    Attributes:
        pass_at_1: share of the problems solved.
        n: problems.
        passed: those that were solved.
        cpu_s: CPU seconds of the training.
        own_tokens: that the model made of itself while it trained, prompts included.
        inside: what changed inside the model, where that was asked for.
    """

    pass_at_1: float
    n: int
    passed: tuple[str, ...]
    cpu_s: float = 0.0
    own_tokens: float = 0.0
    inside: Inside | None = None


def run_trials(
    title: str, trials: Sequence[Trial], params: Params, jobs: int, own: Artifacts = EXPERIMENT
) -> list[TrialScore]:
    """Run what has not been run before, and record all of it in MLflow.

    Args:
        title: the name of their run in MLflow.
        trials: in any number; equal ones are run once.
        params: of the experiment.
        jobs: trials at once, sharing the cores.
        own: the experiment's artifacts.

    Returns:
        The scores, in order.

    Raises:
        InputError: artifacts of the experiment are not there (run stage `localization` first), or values are wrong.
    """
    paths = [_path_of(trial, params, own) for trial in trials]
    waiting = {path: trial for path, trial in zip(paths, trials, strict=True) if not path.exists()}
    with show_progress("trials", len(set(paths)), done=len(set(paths)) - len(waiting), unit="trials") as advance:
        for path, score in _run_all(waiting, params, jobs, own):
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


def _path_of(trial: Trial, params: Params, own: Artifacts) -> Path:
    """Where a trial's score is kept: named by all that decides it."""
    settings = params.evaluation.model_dump(exclude={"benchmarks", "bootstrap"})
    decisive: list[object] = [own.problems, trial.split, settings, limits(params), *asked(params)]
    decisive.append(code_of("evaluation"))
    if trial.inside:
        decisive.append(INSIDE)
    for objective, values in (*trial.after, (trial.objective, trial.values)):
        changed = with_values(params, values)
        found = find_inputs(changed, values, own)
        decisive += [found.student, found.pairs, found.spans, objective, training_settings(changed, objective)]
    return FOLDER / "scores" / f"{digest(*decisive)}.json"


def _run_all(
    waiting: dict[Path, Trial], params: Params, jobs: int, own: Artifacts
) -> Iterator[tuple[Path, TrialScore]]:
    context = multiprocessing.get_context("spawn")
    threads = max(1, (os.cpu_count() or 1) // jobs)
    paths = iter(waiting)
    # A pool after another, where `max_tasks_per_child` should do: with it a pool may wait for ever for processes that
    # it has ended (CPython issue 115634).
    while part := list(islice(paths, jobs * _TRIALS_A_PROCESS)):
        with ProcessPoolExecutor(jobs, context, initializer=begin_worker, initargs=(os.getpid(), threads)) as pool:
            runs = {pool.submit(_run_one, waiting[path], params, own, path): path for path in part}
            for finished in as_completed(runs):
                yield runs[finished], finished.result()


def begin_worker(parent: int, threads: int) -> None:
    """Begin a process that runs trials: it has so many threads, and ends with its parent, however that ends."""
    import torch

    from iterpref_core.execution.sandbox.limits import die_with_parent  # of Linux, as running programs is

    die_with_parent(parent)
    torch.set_num_threads(threads)


def _run_one(trial: Trial, params: Params, own: Artifacts, path: Path) -> TrialScore:
    folder = FOLDER / "running" / path.stem
    before = cpu_s()
    try:
        model, metrics = _train(trial, params, own, folder)
    except TrainingError as error:
        return _write_score(path, _diverged(trial, own, error, cpu_s() - before))
    spent = cpu_s() - before
    entry = _evaluate(model, own.problems, trial.split, params)
    inside = _look_inside(trial, model, params, own, folder) if trial.inside else None
    shutil.rmtree(folder, ignore_errors=True)
    score = TrialScore(
        pass_at_1=entry["pass_at_1"], n=entry["n"], passed=tuple(entry["passed"]), cpu_s=spent,
        own_tokens=metrics.get("own_tokens", 0.0), inside=inside,
    )  # fmt: skip
    return _write_score(path, score)


def _evaluate(model: Path, problems: Path, split: str, params: Params) -> Entry:
    from iterpref_core.evaluation.answerer import open_answerer
    from iterpref_core.evaluation.evaluation import JOURNALS
    from iterpref_core.evaluation.heldout import Heldout
    from iterpref_core.evaluation.program_runs import Journals

    options = (params.evaluation, params.inference, params.budget, FOLDER / "answers.sqlite", params.model.prompt)
    with open_answerer(model, *options) as (answerer, instruct), Journals(WORK / "evaluation" / JOURNALS) as journals:
        heldout = Heldout(problems, WORK / "evaluation", params.execution, journals, split)
        return heldout.evaluate(["heldout"], answerer, instruct=instruct)["heldout"].entry


def _look_inside(trial: Trial, model: Path, params: Params, own: Artifacts, folder: Path) -> Inside:
    from iterpref_core.training.divergence import divergence_of

    inputs = find_inputs(with_values(params, trial.values), trial.values, own)
    start = train_before(trial.after, params, inputs)
    several = {"evaluation.samples": INSIDE["samples"], "evaluation.temperature": INSIDE["temperature"]}
    some = folder / "problems.jsonl"
    write_jsonl(some, _first_of(own.problems, trial.split))
    solved = _evaluate(model, some, trial.split, with_values(params, several))
    unrelated = list(_first_of(own.problems, "validation"))
    divergence = None
    if model != start:
        count = int(INSIDE["pairs"])
        divergence = divergence_of(start, model, inputs.pairs, inputs.spans, unrelated, params, count)
    return Inside(pass_at_10=len(solved["passed"]) / solved["n"], divergence=divergence)


def _first_of(problems: Path, split: str) -> Iterator[Problem]:
    """The first problems of a split."""
    found = (problem for problem in read_jsonl(problems, Problem) if problem.split == split)
    return islice(found, int(INSIDE["problems"]))


def _write_score(path: Path, score: TrialScore) -> TrialScore:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_jsonl(path, [score])
    return score


def _diverged(trial: Trial, own: Artifacts, error: TrainingError, spent: float) -> TrialScore:
    """A setting that ends in numbers that are none leaves a model that solves nothing; the grid goes on."""
    logger.warning("%s: %s", trial.label, error)
    count = sum(problem.split == trial.split for problem in read_jsonl(own.problems, Problem))
    return TrialScore(pass_at_1=0.0, n=count, passed=(), cpu_s=spent)


def _train(trial: Trial, params: Params, own: Artifacts, folder: Path) -> tuple[Path, dict[str, float]]:
    """The trial's model, that of the trainings before it trained further; and the training's metrics."""
    changed = with_values(params, trial.values)
    inputs = find_inputs(changed, trial.values, own)
    model = train_before(trial.after, params, inputs)
    if trial.objective is None:
        return model, {}
    trained = folder / "model"
    return trained, train_once(trial.objective, changed, inputs._replace(student=model), folder, trained)
