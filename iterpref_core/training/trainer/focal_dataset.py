"""Focal data set: a plain data set of pairs, tokenized and scored for `FocalDPOTrainer` in a script of one's own."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, SupportsIndex

import torch
from datasets import Dataset
from peft import PeftModel
from pydantic import ValidationError
from torch.utils.data import Subset
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerBase,
    TrainingArguments,
)
from trl import DPOConfig

from iterpref_core.models.pretrained.chat_template import ChatTemplate
from iterpref_core.records import FocalSpans, PreferencePair
from iterpref_core.records.config import ObjectiveName, PromptFormat
from iterpref_core.records.errors import InputError
from iterpref_core.storage.jsonl import check_spans, describe_validation_error
from iterpref_core.training.data.checks import PairChecks, report_findings
from iterpref_core.training.data.tokenization import PairForm, tokenize_pairs
from iterpref_core.training.data.tokenized_pair import TokenizedPair
from iterpref_core.training.model.label_head import add_label_head, base_of
from iterpref_core.training.model.model_limits import limit_findings
from iterpref_core.training.model.reference import score_pairs
from iterpref_core.training.objectives.objective_table import Objective, find_objective
from iterpref_core.training.trainer.focal_config import check_fields, check_kind

_LONGEST = 1024
"""Tokens of prompt and program, unless they are stated."""


_AS_WRITTEN = "write prompts as the template would (a tokenizer without a template)"
_IN_TRL = "train with TRL's own trainer"
_RESCORED = "give another reference to `focal_dataset`"
_UNREAD_COLUMNS = {
    "chat_template_kwargs": _AS_WRITTEN,
    "tools": _AS_WRITTEN,
    "image": _IN_TRL,
    "images": _IN_TRL,
    "ref_chosen_logps": _RESCORED,
    "ref_rejected_logps": _RESCORED,
}
"""Columns that TRL reads besides those of `focal_dataset`, and what to do in place of each."""


@dataclass(frozen=True)
class DataForm(PairForm):
    """The way in which pairs were made into tokens, which has to fit the trainer's.

    Attributes:
        marked: the tokens of error regions are marked.
        scored: there are log-probabilities of the reference.
    """

    marked: bool
    scored: bool = False


class FocalDataset(list[TokenizedPair]):
    """Tokenized pairs, and how they were made; so are its slices.

    Attributes:
        form: how they were made.
    """

    def __init__(self, rows: Sequence[TokenizedPair], form: DataForm) -> None:
        super().__init__(rows)
        self.form = form

    def __getitem__(self, index: SupportsIndex | slice) -> Any:
        """Return a pair, or some of them with their form."""
        if isinstance(index, slice):
            return FocalDataset(super().__getitem__(index), self.form)
        return super().__getitem__(index)


def form_of(rows: Any) -> DataForm | None:
    """Return how the pairs of a data set, or of a part of one, were made; None if nobody can say."""
    if isinstance(rows, Subset):
        return form_of(rows.dataset)
    return rows.form if isinstance(rows, FocalDataset) else None


def focal_dataset(
    pairs: Dataset,
    model: PreTrainedModel | PeftModel,
    tokenizer: PreTrainedTokenizerBase,
    objective: ObjectiveName | Objective,
    args: TrainingArguments,
) -> FocalDataset:
    r"""Return tokens, marks and reference log-probabilities of every pair, as `FocalDPOTrainer` takes them.

    The model is the reference, as it is now; of several processes each scores all pairs. Long prompts lose their start,
    programs their end. The data set knows how it was made, and the trainer refuses one that does not fit its settings.

    Args:
        pairs: columns `prompt`, `chosen` and `rejected`, texts or messages as TRL takes them, of which all but the
            last answer is the prompt; `rejected_spans` and `chosen_spans` besides, from
            `mark_errors`, for an objective that weighs error regions.
        model: the model to be trained.
        tokenizer: its tokenizer, whose chat template, if there is one, is applied to prompts and programs.
        objective: a row of `OBJECTIVES`, or its name.
        args: the trainer's, whose precision is the reference's, too. A `DPOConfig` states `max_length` (1,024 without
            it), and a `FocalDPOConfig` also `max_prompt_length` (half of that without it) and `answer`.

    Raises:
        InputError: a column is missing or neither text nor messages, a span lies outside of its program, the lengths
            leave no room, or the pairs are not worth a training (`iterpref check` says the same).
        ConfigError: there is no such objective.
        ModelError: the tokenizer gives no offsets or has no end token, or the chat template changes a program.

    >>> row = {"prompt": "Add one.", "chosen": "def f(x):\n    y = x + 1\n", "rejected": "def f(x):\n    y = x - 1\n"}
    >>> pairs = Dataset.from_list([row]).map(mark_errors)
    >>> (found,) = focal_dataset(pairs, model, tokenizer, "target-dpo", TrainingArguments(str(folder), use_cpu=True))
    >>> tokenizer.decode([token for token, counts in zip(found.rejected_ids, found.focal) if counts]).strip()
    'y = x - 1'
    >>> len(found.ref_chosen) == len(found.chosen_ids)
    True
    """
    check_kind("focal_dataset: pairs", pairs, Dataset)
    check_kind("focal_dataset: model", model, PreTrainedModel, PeftModel)
    check_kind("focal_dataset: tokenizer", tokenizer, PreTrainedTokenizerBase)
    check_kind("focal_dataset: args", args, TrainingArguments)
    check_fields(args)
    pairs = pairs.with_format(None)  # texts and lists, and no tensors
    row = find_objective(objective) if isinstance(objective, str) else objective
    _check_columns(pairs)
    missing = {"rejected_spans", "chosen_spans"} - set(pairs.column_names)
    if row.regional and missing:
        raise InputError(
            f"pairs: {row.title} weighs error regions, and there is no column {' and no '.join(sorted(missing))}; call "
            "`pairs.map(mark_errors)` of `iterpref_core` first"
        )
    if not len(pairs):
        raise InputError("pairs: the data set is empty; give it at least one pair")
    form = DataForm(**vars(stated_form(args)), marked=not missing)
    records = [_as_records(number, pair, tokenizer) for number, pair in enumerate(pairs)]
    # As TRL, which puts nothing between a prompt and a program where there is no template.
    template = ChatTemplate(tokenizer, PromptFormat(template="auto" if tokenizer.chat_template else "completion"))
    rows = list(tokenize_pairs(records, template, form))
    checks = PairChecks.of(rows)
    report_findings(limit_findings(model.config, "the model", checks))
    report_findings(checks.findings(form, regional=row.regional, marked=form.marked))
    data = FocalDataset(rows, form)
    return score_reference(data, model, args) if row.scores_reference else data


def stated_form(args: TrainingArguments) -> PairForm:
    """Return the lengths, in tokens, to which arguments cut prompts and rows, and the form of answers."""
    longest: int = getattr(args, "max_length", _LONGEST) or sys.maxsize
    return PairForm(
        max_prompt_length=getattr(args, "max_prompt_length", None) or longest // 2,
        max_length=longest,
        answer=getattr(args, "answer", "bare"),
    )


def score_reference(data: FocalDataset, model: PreTrainedModel | PeftModel, args: TrainingArguments) -> FocalDataset:
    """Return a data set with the log-probabilities of a model, as it is now.

    Args:
        data: tokenized pairs.
        model: the reference.
        args: the trainer's, whose device, precision and batches are used.
    """
    whole = base_of(model).to(args.device)
    add_label_head(whole)
    size = args.per_device_train_batch_size
    if isinstance(args, DPOConfig) and args.precompute_ref_batch_size is not None:
        size = args.precompute_ref_batch_size
    with torch.autocast(whole.device.type, dtype=torch.bfloat16, enabled=bool(args.bf16)):
        rows = score_pairs(whole, data, size=size)
    return FocalDataset(rows, replace(data.form, scored=True))


def _check_columns(pairs: Dataset) -> None:
    """Refuse columns that TRL reads, and that nothing here reads.

    Raises:
        InputError: the first one.
    """
    for name, remedy in _UNREAD_COLUMNS.items():
        if name in pairs.column_names and any(pairs[name]):
            raise InputError(f"pairs: the column {name} has no effect here, and in TRL it has; remove it, or {remedy}")


def _as_records(
    number: int, pair: dict[str, Any], tokenizer: PreTrainedTokenizerBase
) -> tuple[PreferencePair, FocalSpans]:
    """Return a row of somebody's data set in this project's records."""
    _check_messages(number, pair, tokenizer)
    before, chosen = _last_answer(pair.get("chosen"))
    others, rejected = _last_answer(pair.get("rejected"))
    if before != others:
        raise InputError(
            f"pairs[{number}]: the two conversations differ before their last answer, which alone is trained; leave "
            "this pair out"
        )
    fields = {
        "prompt": _prompt(pair.get("prompt"), before),
        "chosen": chosen,
        "rejected": rejected,
    }
    spans = {"rejected": pair.get("rejected_spans") or (), "chosen": pair.get("chosen_spans") or ()}
    try:
        record = PreferencePair.model_validate({"task_id": str(number)} | fields)
        marked = FocalSpans.model_validate({"task_id": record.task_id, "method": "given"} | spans)
    except ValidationError as error:
        raise InputError(
            f"pairs[{number}]: {describe_validation_error(error)}; give texts, or messages that end with an answer, "
            "and spans as `mark_errors` makes them"
        ) from None
    check_spans(marked, record, Path("pairs"))
    return record, marked


def _check_messages(number: int, pair: dict[str, Any], tokenizer: PreTrainedTokenizerBase) -> None:
    """Refuse messages without a template, and those with more than role and content, which a template might write.

    Raises:
        InputError: there is no template, as in TRL, or a message has such a field.
    """
    for side in ("prompt", "chosen", "rejected"):
        if not isinstance(pair.get(side), list):
            continue
        if not tokenizer.chat_template:
            raise InputError(
                f"pairs[{number}]: {side} has messages, and the tokenizer has no chat template to write them; set "
                "tokenizer.chat_template, or give texts"
            )
        for message in pair[side]:
            fields = message if isinstance(message, dict) else {}
            unread = [name for name, value in fields.items() if value and name not in ("role", "content")]
            if unread:
                raise InputError(
                    f"pairs[{number}]: a message of {side} has the field {unread[0]}, which has no effect here; remove "
                    "it, or write it into the content"
                )


def _last_answer(side: Any) -> tuple[list[Any], Any]:
    """Return the messages before the last answer of a conversation, and that answer; a text has none before it."""
    if not isinstance(side, list) or not side:
        return [], side
    *before, last = side
    answered = isinstance(last, dict) and last.get("role") == "assistant"
    if not answered:
        return before, None
    return before, last.get("content")


def _prompt(given: Any, before: list[Any]) -> Any:
    """Return the prompt of a row, from its column and from the messages before the last answers."""
    # As TRL has it, [user: "Add."] is followed by [assistant: "x + 1"]; without the column the answers begin with the
    # user's turn. [user: "Add."] may also be followed by [assistant: "Which?", user: "Ints.", assistant: "x + 1"].
    if not before:
        return given
    if given is None or before[0].get("role") != "assistant":
        return before
    messages = [{"role": "user", "content": given}] if isinstance(given, str) else given
    return messages + before
