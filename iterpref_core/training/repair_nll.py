"""Measure how foreign pairs are to a model: its NLL of D+, compared with its NLL of D-, and its view of each pair."""

from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from accelerate import PartialState

from iterpref_core.models.pretrained.weights import load_model
from iterpref_core.records import OBJECTIVES

from .data.batches import Collator
from .data.measures import PairScores
from .data.tokenized_dataset import TokenizedDataset
from .model.label_head import add_label_head
from .model.reference import score_rows

_SAMPLE = 64
"""Pairs that are scored: a large model on a CPU takes minutes for them."""
_AT_ONCE = 4
_FOREIGN = 10
"""A ratio between what was measured of own words, 0.6 and 3.6, and of foreign ones, 249 (docs/study.md)."""


def measure_repairs(model: Path | str, rows: TokenizedDataset, scores: PairScores | None = None) -> dict[str, Any]:
    """Return a model's NLL of the repairs and of its own words; an empty dictionary if no pair has D+ and D-.

    Args:
        model: a folder, or a hub id whose weights are on this machine, since they are not downloaded.
        rows: tokenized pairs with their regions.
        scores: takes the scores of all pairs; None: a sample is scored.

    Returns:
        `nll_repair` of D+ and `nll_error_region` of D-, means over the tokens of a sample of pairs, in nats; their
        `nll_ratio`; and `repairs`, a sentence on it.

    Raises:
        ModelError: the weights are not there, or cannot be used.
    """
    marked = np.flatnonzero(rows.checks["focal_tokens"] > 0).tolist()
    sample = Random(0).sample(marked, min(_SAMPLE, len(marked)))
    longest_first = np.argsort(-rows.checks.row_tokens)
    order = sample if scores is None else longest_first[rows.checks.is_pair[longest_first]].tolist()
    processes = PartialState()
    policy = load_model(model, local_files_only=True).to(processes.device)
    add_label_head(policy)
    collator = Collator(OBJECTIVES["dpo"], "padded", pad_token_id=0)
    repair: list[float] = []
    own: list[float] = []
    for batch in score_rows(policy, policy.config, rows, order, collator, _AT_ONCE, processes):
        for number, logps in batch:
            pair = rows[number]
            of_chosen, of_rejected = np.split(-logps, [len(pair.chosen_ids)])
            if scores is not None:
                # The first token of a row without a prompt has 0, because no token predicts it.
                nll = of_chosen[not pair.prompt_ids :].mean()
                numbers = {"nll": nll, "logp_margin": of_rejected.sum() - of_chosen.sum()}
                scores[pair.task_id] = {name: round(float(value), 4) for name, value in numbers.items()}
            if number not in sample:
                continue
            repair += of_chosen[np.array(pair.focal_chosen, bool)].tolist()
            own += of_rejected[np.array(pair.focal, bool)].tolist()
    if not repair or not own:
        return {}
    of_repair, of_own = float(np.mean(repair)), float(np.mean(own))
    ratio = of_repair / max(of_own, 1e-6)
    meaning = "are in words of the model's own"
    if ratio > _FOREIGN:
        meaning = "are foreign to the model: they cost what it can do, unless some of that is replayed (pairs.replay)"
    sentence = f"{of_repair:.2f} nats a token on D+, {of_own:.2f} on D-, a ratio of {ratio:.1f}: the repairs {meaning}"
    return {"repairs": sentence, "nll_repair": of_repair, "nll_error_region": of_own, "nll_ratio": ratio}
