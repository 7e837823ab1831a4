"""Focal data set: a plain data set of pairs, made into what `FocalDPOTrainer` takes, for scripts of one's own."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from datasets import Dataset
from peft import PeftModel
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from trl import DPOConfig

from iterpref_core.config import AnswerStyle
from iterpref_core.errors import InputError
from iterpref_core.objectives.objectives import HALF, OBJECTIVES, Objective, ObjectiveName, check_objective
from iterpref_core.records import FocalSpans, PreferencePair
from iterpref_core.training.dataset import TokenizedPair, tokenize_pairs
from iterpref_core.training.label_head import add_label_head
from iterpref_core.training.pair_table import BothHalves
from iterpref_core.training.reference import score_sequences


@dataclass(frozen=True)
class _Form:
    """Length limits in tokens, and the form of the answers, as `tokenize_pairs` asks for them."""

    max_prompt_length: int
    max_length: int
    answer: AnswerStyle


def focal_dataset(
    pairs: Dataset,
    model: PreTrainedModel | PeftModel,
    tokenizer: PreTrainedTokenizerBase,
    objective: ObjectiveName,
    args: DPOConfig,
    *,
    max_prompt_length: int = 512,
    answer: AnswerStyle = "bare",
) -> Sequence[TokenizedPair]:
    """Tokens, marks and reference log-probabilities of every pair, as the trainer takes them.

    The model is the reference, as it is now; of several processes each scores all pairs. Long prompts lose their start,
    programs their end.

    Args:
        pairs: columns `prompt`, `chosen` and `rejected`, texts all; `rejected_spans` and `chosen_spans` besides, from
            `localization.row_spans.mark_errors`, for an objective that weighs error regions.
        model: the model to be trained.
        tokenizer: its tokenizer; a chat template, if there is one, is applied to the prompts.
        objective: a row of `OBJECTIVES`.
        args: the trainer's; `max_length` bounds prompt and program together, `bf16` is the reference's precision, too.
        max_prompt_length: tokens of a prompt at most.
        answer: what the model is to answer: the program alone, or in a fence.

    Raises:
        InputError: a column is missing or not text, a span lies outside of its program, or the lengths leave no room.
        ConfigError: there is no such objective.
        ModelError: the tokenizer gives no offsets or has no end token.
    """
    check_objective(objective)
    row = OBJECTIVES[objective]
    _check_columns(pairs, row, objective)
    form = _Form(max_prompt_length, args.max_length or sys.maxsize, answer)
    if form.max_length <= max_prompt_length:
        raise InputError(
            f"args.max_length: {form.max_length} tokens leave no room for a program beside a prompt of up to "
            f"max_prompt_length = {max_prompt_length}; raise the former or lower the latter"
        )
    rows = list(tokenize_pairs((_as_records(number, pair) for number, pair in enumerate(pairs)), tokenizer, form))
    if row.preference:
        rows = _score(model, rows, args)
    return BothHalves(rows) if row.rejected == HALF else rows


def _check_columns(pairs: Dataset, row: Objective, objective: ObjectiveName) -> None:
    wanted = ("prompt", "chosen", "rejected", *(("rejected_spans", "chosen_spans") if row.regional else ()))
    if missing := [name for name in wanted if name not in pairs.column_names]:
        advice = "call `pairs.map(mark_errors)` of `iterpref_core.localization.row_spans` first"
        raise InputError(
            f"pairs: {objective} needs the column{'s' * (len(missing) > 1)} {', '.join(missing)}; "
            + (advice if missing[0].endswith("_spans") else f"there are {', '.join(pairs.column_names)}")
        )
    if not len(pairs):
        raise InputError("pairs: the data set is empty; give it at least one pair")


def _as_records(number: int, pair: dict[str, Any]) -> tuple[PreferencePair, FocalSpans]:
    """A row of somebody's data set in this project's records."""
    for name in ("prompt", "chosen", "rejected"):
        if not isinstance(pair[name], str):
            raise InputError(f"pairs[{number}]: column {name!r} is no text; give the text, without roles or messages")
    spans = {side: [tuple(span) for span in pair.get(f"{side}_spans") or ()] for side in ("rejected", "chosen")}
    for side, found in spans.items():
        if any(not 0 <= start <= end <= len(pair[side]) for start, end in found):
            raise InputError(
                f"pairs[{number}]: a span lies outside of {side!r}; call `mark_errors` on these very texts"
            )
    texts = {name: pair[name] for name in ("prompt", "chosen", "rejected")}
    task_id = str(number)
    return PreferencePair(task_id=task_id, **texts), FocalSpans(task_id=task_id, method="given", **spans)


def _score(model: PreTrainedModel | PeftModel, rows: list[TokenizedPair], args: DPOConfig) -> list[TokenizedPair]:
    whole = (model.get_base_model() if isinstance(model, PeftModel) else model).to(args.device)
    add_label_head(whole)
    programs = [(row.prompt_ids, ids) for row in rows for ids in (row.chosen_ids, row.rejected_ids)]
    with torch.autocast(whole.device.type, dtype=torch.bfloat16, enabled=args.bf16):
        scores = score_sequences(whole, programs, batch_size=2 * args.per_device_train_batch_size)
    return [
        replace(row, ref_chosen=chosen.tolist(), ref_rejected=rejected.tolist())
        for row, chosen, rejected in zip(rows, scores[::2], scores[1::2], strict=True)
    ]
