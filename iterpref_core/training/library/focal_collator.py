"""Focal training in a plain `trl.DPOTrainer`: a collator that counts the error region alone of each rejected program.

TRL counts the tokens that `completion_mask` marks, in the policy, in the reference and in its losses. A mask of y- that
is limited to D- makes them focal (arXiv 2503.02783, section 3.3).
"""

import json
from collections.abc import Sequence
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor, tensor
from transformers import PreTrainedTokenizerBase
from trl import DPOConfig
from trl.trainer.dpo_trainer import DataCollatorForPreference

from iterpref_core.models.pretrained.chat_template import ChatTemplate
from iterpref_core.records import InputError, Message, ModelError, PromptFormat, Span
from iterpref_core.storage.jsonl import describe_validation_error

from ..data.tokenization import encode_text, mask_from_spans
from ..data.tokenized_pair import count_shared
from ..model.policy import report_half_precision

Example = dict[str, Any]
_SMOOTHED = ("robust", "exo_pair", "aot", "aot_unpaired")
"""The losses of TRL 1.16 that read `label_smoothing`; `sigmoid` did in earlier versions (cDPO)."""
_SHOWN = 60
"""Characters of a prompt that name its row in a message."""


class FocalCollator(DataCollatorForPreference):
    r"""A collator of batches in TRL's layout, which counts the error region alone of each rejected program.

    The data set has the columns `prompt` and `rejected_spans` (`mark_errors`), and
    `DPOConfig(remove_unused_columns=False)` keeps them.

    Args:
        tokenizer: the trainer's; it must give offsets.
        args: the trainer's. Its `max_length`, `truncation_mode` and `pad_to_multiple_of` decide how rows are cut and
            padded.
        model: to be trained; a warning is logged if its precision would round small steps away.

    Raises:
        InputError: `args` is of another trainer than TRL's `DPOTrainer`, does not keep the column, smooths labels
            with losses that do not, or has precomputed references, which TRL finds by the data set and the model
            alone: after a plain training on the same data set it would take the sums of whole programs.

    >>> row = {"prompt": "Add one.\n", "chosen": "def f(x):\n    y = x + 1\n", "rejected": "def f(x):\n    y = x - 1\n"}
    >>> args = DPOConfig(str(folder), remove_unused_columns=False, use_cpu=True, bf16=False, report_to="none")
    >>> trainer = DPOTrainer(
    ...     model=model,
    ...     args=args,
    ...     train_dataset=Dataset.from_list([row]).map(mark_errors),
    ...     processing_class=tokenizer,
    ...     data_collator=FocalCollator(tokenizer, args),
    ... )
    >>> batch = trainer.data_collator([trainer.train_dataset[0]])
    >>> counted = batch["completion_mask"][1] == 1
    >>> tokenizer.decode(batch["input_ids"][1][counted]).strip()
    'y = x - 1'
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, args: DPOConfig, model: torch.nn.Module | None = None
    ) -> None:
        if not isinstance(args, DPOConfig):
            raise InputError(f"FocalCollator: {type(args).__name__} is of another trainer; use DPOConfig")
        if model is not None:
            report_half_precision(model)
        if args.label_smoothing and not {*_SMOOTHED}.intersection(args.loss_type):
            raise InputError(
                f"FocalCollator: label_smoothing has no effect on {', '.join(args.loss_type)}; remove it, or choose "
                f"one of {', '.join(_SMOOTHED)}"
            )
        if args.ld_alpha is not None:
            raise InputError(
                "FocalCollator: ld_alpha counts the tokens that both programs have, and of the rejected one the error "
                "region alone is left; remove it"
            )
        if args.remove_unused_columns:
            raise InputError("FocalCollator: the spans would be removed; set remove_unused_columns=False in DPOConfig")
        if args.precompute_ref_log_probs:
            raise InputError(
                "FocalCollator: TRL finds precomputed references by the data set and the model alone, whole programs' "
                "and error regions' alike; set precompute_ref_log_probs=False in DPOConfig"
            )
        # Whatever fills rows counts nowhere.
        padding = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id
        if padding is None:
            raise InputError("the tokenizer has neither a pad_token nor an eos_token to fill rows with; give it one")
        super().__init__(
            pad_token_id=padding,
            max_length=args.max_length,
            truncation_mode=args.truncation_mode,
            pad_to_multiple_of=args.pad_to_multiple_of,
        )
        self._tokenizer = tokenizer

    def torch_call(self, examples: list[Example]) -> dict[str, Any]:
        """Collate examples that TRL has tokenized.

        Raises:
            InputError: a column is missing, the token ids do not match the example's texts, or a row's error
                region is cut off.
        """
        batch: dict[str, Any] = super().torch_call(examples)
        masks: Tensor = batch["completion_mask"]
        for number, example in enumerate(examples):
            # The prompt never counts, and of the rejected program the error region alone.
            counted = [0] * len(example["prompt_ids"]) + self.error_region(example)
            if self.max_length is not None:
                keep_end = self.truncation_mode == "keep_end"
                counted = counted[-self.max_length :] if keep_end else counted[: self.max_length]
            if not any(counted) and any(first < last for first, last in _spans(example)):
                raise InputError(
                    f"FocalCollator: {_name(example)}: the error region of its rejected program is gone: "
                    f"max_length = {self.max_length} cuts it off, or the chat template strips it; raise max_length, or "
                    "leave the row out"
                )
            # TRL has all chosen programs first, so pair 1 of 4 has its rejected program in row 5.
            row = masks[len(examples) + number]
            row[: len(counted)] = tensor(counted)
        return batch

    def error_region(self, example: Example) -> list[int]:
        """Return for each of `rejected_ids` whether it touches the error region.

        Raises:
            InputError: a column is missing, spans are of another text, or the token ids do not match the
                example's texts.
        """
        if "rejected_spans" not in example:
            raise InputError(
                "FocalCollator: the examples have no column 'rejected_spans'; call `pairs.map(mark_errors)` first"
            )
        if _are_of_another_text(example):
            raise InputError(
                f"FocalCollator: {_name(example)}: its rejected_spans are outside of its rejected program; where "
                "the data set has no column 'prompt', TRL cuts what both programs begin with, and spans of the whole "
                "text mark other tokens: give the column, and the spans of the program behind it"
            )
        text, begin, end = self._written(example)
        ids, offsets = encode_text(self._tokenizer, text)
        offsets = self._with_special_tokens(example["prompt_ids"] + example["rejected_ids"], ids, offsets)
        # Spans count characters of the program, and offsets characters of the whole text.
        spans = [(begin + first, min(begin + last, end)) for first, last in _spans(example)]
        marks = mask_from_spans(offsets, spans)
        return marks[len(example["prompt_ids"]) :]

    def _with_special_tokens(self, whole: list[int], ids: list[int], offsets: list[Span]) -> list[Span]:
        """Return the characters of each of an example's tokens; special tokens added at its ends have an empty range.

        Raises:
            InputError: the example's tokens are not these.
        """
        # The text "x + 1" is read as the tokens x + 1, and the example's tokens are <s> x + 1.
        special = set(self._tokenizer.all_special_ids)
        for before in range(len(whole) - len(ids) + 1):
            behind = before + len(ids)
            if whole[before:behind] == ids and special.issuperset(whole[:before] + whole[behind:]):
                return [(0, 0)] * before + offsets + [(0, 0)] * (len(whole) - behind)
        raise InputError(
            "FocalCollator: the token ids of an example do not match its prompt and rejected program; give "
            "FocalCollator the tokenizer of the trainer, and the data set as TRL reads it"
        )

    def _written(self, example: Example) -> tuple[str, int, int]:
        """Return the text that TRL tokenizes, and where the rejected program begins and ends in it.

        Raises:
            InputError: the text does not contain the program.
        """
        if isinstance(example["rejected"], str):
            text = example["prompt"] + example["rejected"]
            return text, len(example["prompt"]), len(text)
        variables = dict(example.get("chat_template_kwargs") or {})
        tools = example.get("tools")
        if tools:
            variables["tools"] = json.loads(tools) if isinstance(tools, str) else tools  # as TRL reads the column
        *before, last = example["prompt"] + example["rejected"]
        template = ChatTemplate(self._tokenizer, PromptFormat(chat_template_kwargs=variables))
        try:
            text = template.render_chat([*before, last])
            rendered = template.render_exchange(tuple(map(Message.model_validate, before)), last["content"])
        except (ValidationError, ModelError) as error:
            reason = describe_validation_error(error) if isinstance(error, ValidationError) else error
            raise InputError(f"FocalCollator: {_name(example)}: {reason}") from None
        if not text.startswith(rendered.prompt + rendered.answer):
            raise InputError(
                f"FocalCollator: {_name(example)}: the chat template has no place for the first message, so that the "
                "rejected program cannot be found in the text; write the system's message into the user's"
            )
        start = len(rendered.prompt)
        return text, start + rendered.begin, start + len(rendered.answer)


def _spans(example: Example) -> Sequence[Span]:
    """Return the error region of an example; an exported data set has null where no region was found."""
    return example["rejected_spans"] or ()


def _are_of_another_text(example: Example) -> bool:
    """Return True if the error region does not lie in the rejected program, or is of the text before TRL cut it.

    TRL makes a prompt of "Sum. a = 1" and "Sum. a = 7" by cutting them where they part, before the blank. The programs
    are " 1" and " 7" then, and a region [9, 10) is of the whole text: 7 is there, and " 7" ends before.
    """
    chosen, rejected = (_program(example[side]) for side in ("chosen", "rejected"))
    spans = _spans(example)
    if not all(0 <= first <= last <= len(rejected) for first, last in spans):
        return True
    parting = count_shared(chosen, rejected)
    if not isinstance(example["prompt"], str) or chosen[:parting].strip(" "):
        return False
    # The programs differ from their first character on: a region of the program covers that place, and a region of
    # the whole text is further on by the length of the prompt.
    in_whole = len(example["prompt"]) + parting
    covers, covers_in_whole = (any(first <= place < last for first, last in spans) for place in (parting, in_whole))
    return covers_in_whole and not covers


def _program(side: Any) -> str:
    """Return the text of an answer."""
    program: str = side if isinstance(side, str) else side[-1]["content"]
    return program


def _name(example: Example) -> str:
    """Return words that identify the row of an example."""
    prompt = example["prompt"] if isinstance(example["prompt"], str) else example["prompt"][-1]["content"]
    return f"the row whose prompt begins with {prompt[:_SHOWN]!r}"
