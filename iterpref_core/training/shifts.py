"""What training did to every token of a pair: its log-probability before and after."""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import torch
from transformers import PreTrainedTokenizerBase

from iterpref_core.config import TrainParams
from iterpref_core.errors import ModelError
from iterpref_core.inference.transformers_backend import load_model, load_tokenizer
from iterpref_core.records import PairShifts, PreferencePair, TokenShift
from iterpref_core.training.dataset import TokenisedPair, tokenise_pair
from iterpref_core.training.reference import score_sequences


def score_shifts(
    pairs: Sequence[PreferencePair], before: Path, after: Path, params: TrainParams, batch_size: int = 8
) -> list[PairShifts]:
    """Score every token of both programs with both models, in float32, cut to length as training cuts them.

    Args:
        pairs: the pairs.
        before: the model that training started from.
        after: the model that came of it.
        params: length limits, in tokens.
        batch_size: programs scored at once.

    Returns:
        For each pair the tokens of y+ and y- in order, log-probabilities in nats; the last is the end token, at the
        text's end, where `max_length` left room for it.

    Raises:
        ModelError: a model is not there, or the two cut the programs into different tokens.
    """
    tokenizer, other = load_tokenizer(before), load_tokenizer(after)
    rows = [tokenise_pair(pair, (), tokenizer, params) for pair in pairs]
    if any(tokenise_pair(pair, (), other, params) != row for pair, row in zip(pairs, rows, strict=True)):
        raise ModelError(
            f"{after}: its tokens of these pairs are not those of {before}; give the model that was trained from it"
        )
    sequences = list(chain.from_iterable(_programs(row) for row in rows))
    old, new = (_score(model, sequences, batch_size) for model in (before, after))
    scored = zip(old, new, strict=True)
    return [
        PairShifts(
            task_id=pair.task_id,
            chosen=_shifts(tokenizer, pair.chosen, *next(scored)),
            rejected=_shifts(tokenizer, pair.rejected, *next(scored)),
        )
        for pair in pairs
    ]


def _programs(row: TokenisedPair) -> tuple[tuple[list[int], list[int]], tuple[list[int], list[int]]]:
    return (row.prompt_ids, row.chosen_ids), (row.prompt_ids, row.rejected_ids)


def _score(model: Path, sequences: list[tuple[list[int], list[int]]], batch_size: int) -> list[torch.Tensor]:
    loaded = load_model(model).float().to("cuda" if torch.cuda.is_available() else "cpu")
    return score_sequences(loaded, sequences, batch_size=batch_size, bf16=False)


def _shifts(
    tokenizer: PreTrainedTokenizerBase, text: str, before: torch.Tensor, after: torch.Tensor
) -> tuple[TokenShift, ...]:
    offsets = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    places = [*offsets, (len(text), len(text))][: len(before)]
    return tuple(
        TokenShift(start=start, end=end, before=old, after=new)
        for (start, end), old, new in zip(places, before.tolist(), after.tolist(), strict=True)
    )
