"""Columns: the values that tell models apart in a table of runs, and their scores."""

import math
from collections.abc import Mapping
from typing import NamedTuple

from iterpref_core.training.objectives.objective_table import settings_of_all
from tasks.dotted_keys import flatten
from tasks.dvc.lock import LockedStage
from tasks.git.source import UNKNOWN, Source
from tasks.mlflow.execution import Execution
from tasks.paths import PAIRS
from tasks.stage_name import StageName

BEST = "best"
"""The name, in place of an objective, under which the highest score of all objectives stands."""

_NO_OBJECTIVES = (BEST, "base", "debugger")
"""Words that are no objectives, in the place of one in the name of a score."""
_PASS_AT_1 = "pass_at_1"
_HEADLINE = f"heldout/{_PASS_AT_1}"
_SHORT = 8
"""Characters of a digest that tell two apart on a page."""


class Best(NamedTuple):
    """The objective with the highest score, and that score."""

    objective: str
    score: float


def model_columns(model: str, stages: Mapping[str, LockedStage]) -> dict[str, str]:
    """Return the columns of a model, if its training is among the stages; none for one that was not trained.

    Parameters may have changed since the model was trained, so those that DVC has of its training count.

    >>> locked = LockedStage(params={"training.beta": 0.1, "training.nll_learning_rate": 3e-4, "training.alpha": 20.0})
    >>> model_columns("rpo", {"training@rpo": locked})
    {'objective': 'rpo', 'learning_rate': '0.0003', 'beta': '0.1', 'alpha': '20.0'}
    >>> locked = LockedStage(params={"training.beta": 0.1, "training.objectives.simpo": {"beta": 2.0}})
    >>> model_columns("simpo", {"training@simpo": locked})
    {'objective': 'simpo', 'beta': '2.0'}
    """
    trained = stages.get(str(StageName("training", model)))
    if trained is None:
        return {}
    params = dict(flatten(trained.params))
    columns = {"objective": model}
    of_all = {name: name for name in ("learning_rate", "beta", "epochs", "seed")}
    for name, default in (of_all | settings_of_all(model)).items():
        # What an objective states itself comes before the value of all.
        own = params.get(f"training.objectives.{model}.{name}")
        columns[name] = str(params.get(f"training.{default}", "") if own is None else own)
    digest = trained.digest_of(PAIRS) or ""
    columns["data"] = digest[:_SHORT]
    return {name: value for name, value in columns.items() if value}


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


def find_best(scores: Mapping[str, float]) -> dict[str, Best]:
    """Return the best objective by each pass@1. Of several with the same score it is the first.

    >>> find_best({"base/heldout/pass_at_1": 0.9, "sft/heldout/pass_at_1": 0.5, "dpo/heldout/pass_at_1": 0.25})
    {'heldout/pass_at_1': Best(objective='sft', score=0.5)}
    """
    best: dict[str, Best] = {}
    for name, score in scores.items():
        model, _, measure = name.partition("/")
        # A NaN is neither more nor less than another score.
        if model in _NO_OBJECTIVES or not measure.endswith(_PASS_AT_1) or math.isnan(score):
            continue
        if measure not in best or score > best[measure].score:
            best[measure] = Best(model, score)
    return best


def best_objective(best: Mapping[str, Best]) -> str:
    """Return the best objective on `heldout`, or else on the first benchmark by name; empty if nothing was measured."""
    measure = _HEADLINE if _HEADLINE in best else min(best, default="")
    return best[measure].objective if best else ""
