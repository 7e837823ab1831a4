"""Choose learning rate and alpha of every objective from one grid, on the validation split.

A shared setting would decide the comparison by itself: what suits one objective ruins another (docs/tuning.md).
"""

import hashlib
import json
import multiprocessing
import os
import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed

from iterpref_core.config import ObjectiveName, ObjectiveParams, Params, TuneParams
from iterpref_core.jsonl import read_jsonl, write_jsonl
from iterpref_core.progress import show_progress
from iterpref_core.records import Record
from tasks.common.paths import FOCAL, PAIRS, PROBLEMS, STUDENT, WORK

FOLDER = WORK / "tuning"
SPLIT = "validation"


class Trial(Record):
    """One point of the grid, and its score."""

    objective: ObjectiveName
    learning_rate: float
    alpha: float
    pass_at_1: float
    n: int


def grid(objective: ObjectiveName, current: ObjectiveParams, tune: TuneParams) -> list[ObjectiveParams]:
    """The points of one objective: every learning rate, with every alpha where the objective has one to choose.

    Target-DPO and DPO are defined by alpha = 0. SFT has the NLL as its only term, whose scale an adaptive optimiser
    does not see.
    """
    alphas = tune.alphas if objective in ("rpo", "target-rpo") else (current.alpha,)
    return [ObjectiveParams(learning_rate=rate, alpha=alpha) for alpha in alphas for rate in tune.learning_rates]


def tune(params: Params, jobs: int) -> list[Trial]:
    """Train and score every point of the grid; finished points of an earlier run are kept.

    Args:
        params: all parameters; `params.tune` is the grid.
        jobs: trials at once, sharing the cores.

    Returns:
        The trials, in the order of the grid.

    Raises:
        InputError: pairs, spans, model or problems are not there; run stage `focal` first.
    """
    path = FOLDER / f"{_key(params)}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    points = [(name, point) for name, own in params.train.objectives.items() for point in grid(name, own, params.tune)]
    done = {_identity(trial): trial for trial in read_jsonl(path, Trial)} if path.exists() else {}
    waiting = [(name, point) for name, point in points if (name, point.learning_rate, point.alpha) not in done]
    with show_progress("tune", len(points), done=len(points) - len(waiting), unit="trials") as advance:
        for trial in _run_all(waiting, params, jobs):
            done[_identity(trial)] = trial
            write_jsonl(path, done.values())
            advance(note=f"{trial.objective} lr {trial.learning_rate:g} alpha {trial.alpha:g}: {trial.pass_at_1:.1%}")
    return [done[name, point.learning_rate, point.alpha] for name, point in points]


def best_of(trials: Iterable[Trial]) -> dict[ObjectiveName, Trial]:
    """For every objective the trial with the highest score; of equals the first in the grid."""
    best: dict[ObjectiveName, Trial] = {}
    for trial in trials:
        if trial.objective not in best or trial.pass_at_1 > best[trial.objective].pass_at_1:
            best[trial.objective] = trial
    return best


def _run_all(points: list[tuple[ObjectiveName, ObjectiveParams]], params: Params, jobs: int) -> Iterator[Trial]:
    context = multiprocessing.get_context("spawn")
    threads = max(1, (os.cpu_count() or 1) // jobs)
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_limit_threads, initargs=(threads,)) as pool:
        for finished in as_completed([pool.submit(_run_one, name, point, params) for name, point in points]):
            yield finished.result()


def _limit_threads(threads: int) -> None:
    import torch

    torch.set_num_threads(threads)


def _run_one(objective: ObjectiveName, point: ObjectiveParams, params: Params) -> Trial:
    from iterpref_core.evaluation.answers import model_answerer
    from iterpref_core.evaluation.heldout import Heldout
    from iterpref_core.training.train import train_objective

    folder = FOLDER / _key(params) / f"{objective}-{point.learning_rate:g}-{point.alpha:g}"
    model = folder / "model"
    settings = params.train.model_copy(update={"objectives": {**params.train.objectives, objective: point}})
    train_objective(
        PAIRS,
        FOCAL,
        STUDENT,
        objective,
        settings,
        model,
        folder / "curve.csv",
        WORK / "train",
        prompt=params.model.prompt,
    )
    answerer = model_answerer(model, params.evaluate, FOLDER / "answers", params.model.prompt)
    entry = Heldout(PROBLEMS, params.execution, FOLDER, SPLIT).evaluate(answerer).entry
    shutil.rmtree(model)
    return Trial(
        objective=objective,
        learning_rate=point.learning_rate,
        alpha=point.alpha,
        pass_at_1=entry["pass_at_1"],
        n=entry["n"],
    )


def _identity(trial: Trial) -> tuple[ObjectiveName, float, float]:
    return trial.objective, trial.learning_rate, trial.alpha


def _key(params: Params) -> str:
    """A digest of what decides the scores: data, model, and all settings but the ones that are tuned."""
    from iterpref_core.inference.fingerprint import model_fingerprint

    digest = hashlib.sha256(model_fingerprint(STUDENT, params.model.prompt).encode())
    for path in (PAIRS, FOCAL, PROBLEMS):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    settings = [params.train.model_dump(exclude={"objectives"}), params.evaluate.model_dump(exclude={"benchmarks"})]
    digest.update(json.dumps(settings, sort_keys=True).encode())
    return digest.hexdigest()[:16]
