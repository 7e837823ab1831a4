"""Columns: the values that tell models apart in a table of runs, and their scores."""

import math
from collections.abc import Mapping

from tasks.dotted_keys import flatten
from tasks.dvc.lock import LockedStage
from tasks.git.source import UNKNOWN, Source
from tasks.mlflow.execution import Execution
from tasks.paths import PAIRS
from tasks.stage_name import StageName

BEST = "best"
"""The name, in place of an objective, under which the highest score of all objectives stands."""

NO_OBJECTIVES = (BEST, "base", "debugger")
"""What stands in the place of an objective in the name of a score and is none."""

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


def model_columns(model: str, stages: Mapping[str, LockedStage]) -> dict[str, str]:
    """Return the columns of a model, if its training is among the stages; none for one that was not trained.

    Parameters may have changed since the model was trained, so those of its training count.
    """
    trained = stages.get(str(StageName("training", model)))
    if trained is None:
        return {}
    return training_columns(model, trained)


def source_columns(source: Source) -> dict[str, str]:
    """Return a short form of the commit, and `dirty`: `true` if anything has changed since."""
    commit = source.commit
    if commit != UNKNOWN:
        commit = commit[:_SHORT]
    return {"commit": commit, "dirty": source.dirty}


def model_scores(execution: Execution) -> dict[str, float]:
    """Return a model's pass@1 on every benchmark, such as `sft/heldout/pass_at_1`; none for another stage."""
    if execution.name.group != "evaluation":
        return {}
    found = {}
    for key, value in execution.metrics.items():
        if key.endswith("/pass_at_1"):
            found[f"{execution.name.item}/{key}"] = value
    return found


def best_scores(scores: Mapping[str, float]) -> dict[str, float]:
    """Return the highest pass@1 that an objective has on each benchmark.

    >>> best_scores({"base/heldout/pass_at_1": 0.9, "sft/heldout/pass_at_1": 0.5, "dpo/heldout/pass_at_1": 0.25})
    {'best/heldout/pass_at_1': 0.5}
    """
    best: dict[str, float] = {}
    for name, score in scores.items():
        model, _, measure = name.partition("/")
        if model in NO_OBJECTIVES or not measure.endswith("pass_at_1"):
            continue
        # `max` of a NaN and a number depends on their order.
        if not math.isnan(score):
            key = f"{BEST}/{measure}"
            best[key] = max(score, best.get(key, score))
    return best


def best_objective(scores: Mapping[str, float]) -> str:
    """Return the objective with the highest pass@1, on `heldout` if that was measured; empty if nothing was.

    >>> best_objective({"base/heldout/pass_at_1": 0.9, "sft/heldout/pass_at_1": 0.5, "dpo/heldout/pass_at_1": 0.25})
    'sft'
    """
    best = best_scores(scores)
    measure = f"{BEST}/heldout/pass_at_1"
    if measure not in best:
        measure = min(best, default="")
    for name, score in scores.items():
        model, _, rest = name.partition("/")
        if f"{BEST}/{rest}" == measure and model not in NO_OBJECTIVES and score == best[measure]:
            return model
    return ""
