"""Focal data set: a plain data set of pairs, tokenized and scored for `FocalDPOTrainer` in a script of one's own."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import PeftModel
from pydantic import ValidationError
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerBase,
    TrainingArguments,
)

from iterpref_core.config import AnswerFormat, PromptFormat
from iterpref_core.errors import InputError
from iterpref_core.models.chat_template import ChatTemplate
from iterpref_core.objectives.objective_table import (
    Objective,
    ObjectiveName,
    find_objective,
)
from iterpref_core.records import FocalSpans, PreferencePair
from iterpref_core.storage.jsonl import check_spans, describe_validation_error
from iterpref_core.training.data.tokenization import PairForm, tokenize_pairs
from iterpref_core.training.data.tokenized_pair import TokenizedPair
from iterpref_core.training.model.label_head import add_label_head
from iterpref_core.training.model.reference import score_pairs
from iterpref_core.training.script_inputs import require_object


def focal_dataset(
    pairs: Dataset,
    model: PreTrainedModel | PeftModel,
    tokenizer: PreTrainedTokenizerBase,
    objective: ObjectiveName | Objective,
    args: TrainingArguments,
    *,
    max_prompt_length: int = 512,
    max_length: int = 1024,
    answer: AnswerFormat = "bare",
    prompt: PromptFormat | None = None,
) -> Sequence[TokenizedPair]:
    r"""Return tokens, marks and reference log-probabilities of every pair, as `FocalDPOTrainer` takes them.

    The model is the reference, as it is now; of several processes each scores all pairs. Long prompts lose their start,
    programs their end.

    Args:
        pairs: columns `prompt`, `chosen` and `rejected`, texts or messages as TRL takes them, of which all but the
            last answer is the prompt; `rejected_spans` and `chosen_spans` besides, from
            `localization.row_spans.mark_errors`, for an objective that weighs error regions.
        model: the model to be trained.
        tokenizer: its tokenizer, whose chat template, if there is one, is applied to prompts and programs.
        objective: a row of `OBJECTIVES`, or its name.
        args: the trainer's, whose precision is the reference's, too.
        max_prompt_length: tokens of a prompt at most.
        max_length: of prompt and program together.
        answer: the form of an answer: the program alone, or in a fence.
        prompt: the form in which the model reads prompts; None: in its chat template, if it has one.

    Raises:
        InputError: a column is missing or neither text nor messages, a span lies outside of its program, or the
            lengths leave no room.
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
    require_object("focal_dataset", "pairs", pairs, Dataset)
    require_object("focal_dataset", "model", model, PreTrainedModel, PeftModel)
    require_object("focal_dataset", "tokenizer", tokenizer, PreTrainedTokenizerBase)
    require_object("focal_dataset", "args", args, TrainingArguments)
    if isinstance(objective, Objective):
        row = objective
        name = objective.label
    else:
        row = find_objective(objective, {})
        name = objective
    if row.regional and not {"rejected_spans", "chosen_spans"} <= set(pairs.column_names):
        raise InputError(
            f"pairs: {name} weighs error regions, and there are no columns rejected_spans and chosen_spans; call "
            "`pairs.map(mark_errors)` of `iterpref_core.library.row_spans` first"
        )
    if not len(pairs):
        raise InputError("pairs: the data set is empty; give it at least one pair")
    form = PairForm(max_prompt_length, max_length, answer)
    records = (_as_records(number, pair) for number, pair in enumerate(pairs))
    rows = list(tokenize_pairs(records, ChatTemplate(tokenizer, prompt), form))
    if row.scores_reference:
        whole = (model.get_base_model() if isinstance(model, PeftModel) else model).to(args.device)
        add_label_head(whole)
        with torch.autocast(whole.device.type, dtype=torch.bfloat16, enabled=args.bf16):
            rows = score_pairs(whole, rows, batch_size=2 * args.per_device_train_batch_size)
    return rows


def _as_records(number: int, pair: dict[str, Any]) -> tuple[PreferencePair, FocalSpans]:
    """Return a row of somebody's data set in this project's records."""
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
    try:
        record = PreferencePair.model_validate({"task_id": str(number)} | fields)
    except ValidationError as error:
        raise InputError(
            f"pairs[{number}]: {describe_validation_error(error)}; give texts, or messages that end with an answer"
        ) from None
    marked = FocalSpans(
        task_id=record.task_id,
        method="given",
        rejected=pair.get("rejected_spans") or (),
        chosen=pair.get("chosen_spans") or (),
    )
    check_spans(marked, record, Path("pairs"))
    return record, marked


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
