"""Comparison columns: the values that tell models apart in a table of runs, and their scores."""

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path

from iterpref_core.report.summary_record import Summary
from tasks.dotted_keys import flatten
from tasks.dvc.lock import LockedStage
from tasks.git.source import UNKNOWN, Source
from tasks.paths import PAIRS, metrics_path
from tasks.stage_name import StageName

BEST = "best"
"""The name, in place of an objective, under which the highest score of all objectives stands."""

_OF_OBJECTIVE = ("learning_rate", "alpha")
_OF_TRAINING = ("beta", "epochs", "seed")
_SHORT = 8
"""Characters of a digest that tell two apart on a page."""


def training_columns(objective: str, trained: LockedStage) -> dict[str, str]:
    """Return the columns of a trained model, from the inputs and parameters that DVC has of its training.

    >>> locked = LockedStage(params={"training.beta": 0.1, "training.objectives.dpo": {"alpha": 0.0}})
    >>> training_columns("dpo", locked)
    {'objective': 'dpo', 'alpha': '0.0', 'beta': '0.1'}
    >>> locked = LockedStage(params={"training.beta": 0.1, "training.objectives.simpo": {"beta": 2.0}})
    >>> training_columns("simpo", locked)
    {'objective': 'simpo', 'beta': '2.0'}
    """
    params = dict(flatten(trained.params))
    columns = {"objective": objective}
    for name in _OF_OBJECTIVE:
        columns[name] = str(params.get(f"training.objectives.{objective}.{name}", ""))
    for name in _OF_TRAINING:
        columns[name] = str(params.get(f"training.{name}", ""))
    if own_beta := params.get(f"training.objectives.{objective}.beta"):
        columns["beta"] = str(own_beta)
    digest = trained.digest_of(PAIRS) or ""
    columns["data"] = digest[:_SHORT]
    return {name: value for name, value in columns.items() if value}


def stage_columns(stage: StageName, locked: LockedStage, behind: Mapping[str, LockedStage]) -> dict[str, str]:
    """Return the columns of the model that a stage trains or evaluates; none for other stages.

    Args:
        stage: the stage's name.
        locked: its inputs and parameters.
        behind: the stages that made the inputs.
    """
    if stage.group == "training":
        return training_columns(stage.item, locked)
    if stage.group != "evaluation":
        return {}
    # Parameters may have changed since the model was trained, so those of its training count.
    trained = behind.get(str(StageName("training", stage.item)))
    if trained is None:
        return {}
    return training_columns(stage.item, trained)


def source_columns(source: Source) -> dict[str, str]:
    """Return a short form of the commit, and `dirty`: `true` if anything has changed since."""
    commit = source.commit
    if commit != UNKNOWN:
        commit = commit[:_SHORT]
    return {"commit": commit, "dirty": source.dirty}


def merge_columns(rows: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return the different values in each column.

    >>> merge_columns([{"objective": "sft", "alpha": "20.0"}, {"objective": "rpo", "alpha": "20.0", "beta": "0.1"}])
    {'objective': 'sft, rpo', 'alpha': '20.0', 'beta': '0.1'}
    """
    # A dictionary without values is a set that keeps the order.
    merged: dict[str, dict[str, None]] = {}
    for row in rows:
        for name, cell in row.items():
            column = merged.setdefault(name, {})
            for value in cell.split(", "):
                column[value] = None
    return {name: ", ".join(column) for name, column in merged.items()}


def stages_behind(locked: LockedStage, lock: Mapping[str, LockedStage]) -> dict[str, LockedStage]:
    """Return the stages that made the inputs of a stage, and the inputs of those, and so on.

    The digest decides: a stage whose output has changed since is not among them.

    Args:
        locked: the stage that reads.
        lock: all stages that have run.
    """
    # Such as ("data/pairs.jsonl", "1f2e…") → "pairs".
    maker: dict[tuple[str, str], str] = {}
    for name, stage in lock.items():
        for out in stage.outs:
            maker[out.path, out.md5] = name
    found: dict[str, LockedStage] = {}
    waiting = [locked]
    while waiting:
        for dep in waiting.pop().deps:
            made_by = maker.get((dep.path, dep.md5))
            if made_by is not None and made_by not in found:
                found[made_by] = lock[made_by]
                waiting.append(lock[made_by])
    return found


def read_scores(stages: Iterable[StageName], folder: Path = Path()) -> dict[str, float]:
    """Return every model's pass@1 on every benchmark, from the metrics that evaluations have written.

    Args:
        stages: names of stages; those that are no evaluations are left out.
        folder: the checkout that they ran in.
    """
    scores: dict[str, float] = {}
    for name in stages:
        path = folder / metrics_path(name)
        if name.group != "evaluation" or not path.is_file():
            continue
        for key, value in json.loads(path.read_bytes()).items():
            if key.endswith("/pass_at_1"):
                scores[f"{name.item}/{key}"] = value
    return scores


def summary_scores(summary: Summary) -> dict[str, float]:
    """Return the same scores from a summary, which has those of all models."""
    found = {}
    for model, scores in summary.models.items():
        for benchmark, score in scores.items():
            found[f"{model}/{benchmark}/pass_at_1"] = score.pass_at_1
    return found


def best_scores(scores: Mapping[str, float]) -> dict[str, float]:
    """Return the highest pass@1 that an objective has on each benchmark.

    >>> best_scores({"base/heldout/pass_at_1": 0.9, "sft/heldout/pass_at_1": 0.5, "dpo/heldout/pass_at_1": 0.25})
    {'best/heldout/pass_at_1': 0.5}
    """
    best: dict[str, float] = {}
    for name, score in scores.items():
        model, _, measure = name.partition("/")
        if model in (BEST, "base", "debugger") or not measure.endswith("pass_at_1"):
            continue
        # `max` of a NaN and a number depends on their order.
        if not math.isnan(score):
            key = f"{BEST}/{measure}"
            best[key] = max(score, best.get(key, score))
    return best
