"""Compute cost of a method: FLOPs and CPU seconds, with the making of the pairs that it trains on."""

from collections.abc import Iterable

from iterpref_core.config import Params
from iterpref_core.objectives.objectives import find_objective
from iterpref_core.records import Record, Trajectory
from iterpref_core.storage.jsonl import read_jsonl
from tasks.grids.lineage import Artifacts, cpu_s_of
from tasks.grids.trial import TrialScore

GENERATED, TRAINED = 2, 6
"""FLOPs a parameter and token: a forward pass, and one with its backward pass (arXiv 2001.08361, section 2.1)."""


class ComputeCost(Record):
    """What a method takes from its start to its trained model.

    Attributes:
        pairs_cpu_s: CPU seconds for trajectories, pairs and error regions, programs that are run included; None where
            they were not made for this.
        pairs_flops: of the models that draft and refine.
        training_cpu_s: CPU seconds of the training, mean over seeds.
        training_flops: of the same.
    """

    pairs_cpu_s: float | None = 0.0
    pairs_flops: float = 0.0
    training_cpu_s: float
    training_flops: float


def cost_on_pairs(objective: str, inputs: Artifacts, params: Params, scores: Iterable[TrialScore]) -> ComputeCost:
    """Of an objective that trains on pairs.

    Args:
        objective: of the table of objectives.
        inputs: what it trains on.
        params: of the training.
        scores: of its trials.
    """
    from iterpref_core.inference.local.checkpoints import read_config
    from iterpref_core.inference.local.tokenizers import load_tokenizer
    from iterpref_core.training.model_shape import read_shape
    from iterpref_core.training.training_estimate import Setting, default_precision, estimate_training
    from iterpref_core.training.workload import measure_workload, read_lengths

    row = find_objective(objective, params.training.objectives)
    shape = read_shape(read_config(str(inputs.student)))
    tokenizer = load_tokenizer(inputs.student, params.model.prompt)
    lengths = read_lengths(inputs.pairs, inputs.spans, tokenizer, params.training)
    workload = measure_workload(lengths, row, params.training)
    setting = Setting(default_precision(shape, params.training))
    flops = estimate_training(shape, workload, row, params.training, setting).flops
    spent = [cpu_s_of(artifact) for artifact in (inputs.trajectories, inputs.pairs, inputs.spans)]
    return ComputeCost(
        pairs_cpu_s=sum(filter(None, spent)) if None not in spent else None,
        pairs_flops=_flops_of_trajectories(inputs, params),
        training_cpu_s=_mean_cpu_s(scores),
        training_flops=flops.training + flops.reference,
    )


def cost_of_own_answers(inputs: Artifacts, scores: Iterable[TrialScore]) -> ComputeCost:
    """Of a method that trains on what the model itself answers meanwhile: each token is made and learned from once."""
    found = list(scores)
    tokens = sum(score.own_tokens for score in found) / len(found)
    flops = (GENERATED + TRAINED) * _parameters(str(inputs.student)) * tokens
    return ComputeCost(training_cpu_s=_mean_cpu_s(found), training_flops=flops)


def _flops_of_trajectories(inputs: Artifacts, params: Params) -> float:
    drafter = inputs.student if params.codeflow.draft_model == "student" else inputs.debugger
    sizes = _parameters(str(drafter)), _parameters(str(inputs.debugger))
    sampled = params.codeflow.source == "sampling"
    return sum(
        GENERATED * sizes[attempt.iteration > 0 and not sampled] * (attempt.prompt_tokens + attempt.completion_tokens)
        for trajectory in read_jsonl(inputs.trajectories, Trajectory)
        for attempt in trajectory.attempts
    )


def _parameters(model: str) -> int:
    from iterpref_core.inference.local.checkpoints import read_config
    from iterpref_core.training.model_shape import read_shape

    return read_shape(read_config(model)).parameters


def _mean_cpu_s(scores: Iterable[TrialScore]) -> float:
    spent = [score.cpu_s for score in scores]
    return sum(spent) / len(spent)
