"""Log-probability shifts: the change that training made to every token of a pair."""

from collections.abc import Sequence
from pathlib import Path

import torch

from iterpref_core.models.pretrained.exchange_tokens import Exchange, encode_exchanges
from iterpref_core.models.pretrained.tokenizers import load_chat_template
from iterpref_core.models.pretrained.weights import load_model
from iterpref_core.records import (
    FocalSpans,
    PairShifts,
    PreferencePair,
    Span,
    TokenShift,
)
from iterpref_core.records.config import PromptFormat, TrainingParams
from iterpref_core.records.errors import ModelError
from iterpref_core.training.data.tokenization import tokenize_pairs
from iterpref_core.training.data.tokenized_pair import TokenizedPair
from iterpref_core.training.model.label_head import add_label_head
from iterpref_core.training.model.reference import score_pairs

NOTHING_MARKED = FocalSpans(task_id="", method="", rejected=(), chosen=())
"""Spans for scoring, which does not depend on them."""


def score_shifts(
    pairs: Sequence[PreferencePair],
    before: Path | str,
    after: Path | str,
    params: TrainingParams,
    prompt: PromptFormat | None = None,
    batch_size: int = 8,
) -> list[PairShifts]:
    """Score every token of both programs with both models, in float32, cut to length as training cuts them.

    Args:
        pairs: the pairs.
        before: the model that training started from.
        after: the model that came of it.
        params: length limits, in tokens, and the form of the answers.
        prompt: the form in which the models read prompts.
        batch_size: programs scored at once.

    Returns:
        For each pair the tokens of y+ and y- in order, log-probabilities in nats; the last is the end token, at the
        text's end, where `max_length` left room for it.

    Raises:
        ModelError: a model is not there, or the two cut the programs into different tokens.
    """
    template = load_chat_template(before, prompt)
    trained_template = load_chat_template(after, prompt)
    unmarked = [(pair, NOTHING_MARKED) for pair in pairs]
    rows = list(tokenize_pairs(unmarked, template, params))
    if rows != list(tokenize_pairs(unmarked, trained_template, params)):
        raise ModelError(
            f"{after}: it tokenizes these pairs differently from {before}; give the model that was trained from it"
        )
    before_rows = _score(before, rows, batch_size)
    after_rows = _score(after, rows, batch_size)
    shifts = []
    for pair, old, new in zip(pairs, before_rows, after_rows, strict=True):
        programs = [Exchange(pair.task_id, pair.prompt, program) for program in (pair.chosen, pair.rejected)]
        chosen, rejected = (tokens.places.tolist() for tokens in encode_exchanges(template, programs, params.answer))
        shifts.append(
            PairShifts(
                task_id=pair.task_id,
                chosen=_shifts(chosen, old.ref_chosen, new.ref_chosen),
                rejected=_shifts(rejected, old.ref_rejected, new.ref_rejected),
            )
        )
    return shifts


def _score(model: Path | str, rows: list[TokenizedPair], batch_size: int) -> list[TokenizedPair]:
    loaded = load_model(model).float().to("cuda" if torch.cuda.is_available() else "cpu")
    add_label_head(loaded)
    return score_pairs(loaded, rows, batch_size=batch_size)


def _shifts(places: list[Span], before: Sequence[float], after: Sequence[float]) -> tuple[TokenShift, ...]:
    return tuple(
        TokenShift(start=start, end=end, before=old, after=new)
        for (start, end), old, new in zip(places[: len(before)], before, after, strict=True)
    )
