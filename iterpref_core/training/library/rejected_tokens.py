"""Rejected tokens: those of a failing program that touch its error region, in a row that TRL has tokenized."""

import json
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError
from transformers import PreTrainedTokenizerBase

from iterpref_core.models.pretrained.chat_template import ChatTemplate
from iterpref_core.records import Span
from iterpref_core.records.config import PromptFormat
from iterpref_core.records.errors import InputError, ModelError
from iterpref_core.records.prompt_messages import Message
from iterpref_core.storage.jsonl import describe_validation_error
from iterpref_core.training.data.tokenized_programs import encode_text, mask_from_spans

Example = dict[str, Any]
_SHOWN = 60
"""Characters of a prompt that name its row in a message."""


class RejectedTokens:
    """The tokens of rows that TRL has tokenized, as a collator of this project needs them.

    Args:
        owner: the collator's name, with which messages begin.
        tokenizer: the trainer's; it must give offsets.
    """

    def __init__(self, owner: str, tokenizer: PreTrainedTokenizerBase) -> None:
        self._owner = owner
        self._tokenizer = tokenizer

    def counted(self, example: Example, max_length: int | None, *, keep_end: bool = False) -> list[int]:
        """Return for each token of a row, the prompt included, whether it counts: it touches the error region.

        Args:
            example: a row with `prompt`, `rejected`, `prompt_ids`, `rejected_ids` and `rejected_spans`.
            max_length: tokens of a row that are not cut off; None: all.
            keep_end: of a longer row the last tokens are kept, and not the first.

        Raises:
            InputError: as for `error_region`; or nothing of an error region is left.
        """
        of_prompt = [0] * len(example["prompt_ids"])
        counted = of_prompt + self.error_region(example)
        if max_length is not None:
            counted = counted[-max_length:] if keep_end else counted[:max_length]
        if not any(counted) and any(first < last for first, last in _spans(example)):
            raise InputError(
                f"{self._owner}: {_name(example)}: nothing is left of the error region of its rejected program, "
                f"which max_length = {max_length} cuts off or the chat template strips; raise max_length, or leave "
                "this row out"
            )
        return counted

    def error_region(self, example: Example) -> list[int]:
        """Return for each of `rejected_ids` whether it touches the error region.

        Raises:
            InputError: a column is missing, or the token ids are not those of the example's texts.
        """
        if "rejected_spans" not in example:
            raise InputError(
                f"{self._owner}: the examples have no column 'rejected_spans'; call `pairs.map(mark_errors)` first"
            )
        text, begin, end = self._written(example)
        ids, offsets = encode_text(self._tokenizer, text)
        offsets = self._with_special_tokens(example["prompt_ids"] + example["rejected_ids"], ids, offsets)
        spans = [(begin + first, min(begin + last, end)) for first, last in _spans(example)]
        marks = mask_from_spans(offsets, spans)
        return marks[len(example["prompt_ids"]) :]

    def _with_special_tokens(self, whole: list[int], ids: list[int], offsets: list[Span]) -> list[Span]:
        """Return the characters of each of an example's tokens; special ones that were added at its ends have none.

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
            f"{self._owner}: the token ids of an example are not those of its prompt and rejected program; give "
            f"{self._owner} the tokenizer of the trainer, and the data set as TRL reads it"
        )

    def _written(self, example: Example) -> tuple[str, int, int]:
        """Return the text that TRL tokenizes, and where the rejected program begins and ends in it.

        Raises:
            InputError: the program does not stand in the text.
        """
        if isinstance(example["rejected"], str):
            text = example["prompt"] + example["rejected"]
            return text, len(example["prompt"]), len(text)
        variables = dict(example.get("chat_template_kwargs") or {})
        if example.get("tools"):
            tools = example["tools"]
            variables["tools"] = json.loads(tools) if isinstance(tools, str) else tools
        *before, last = example["prompt"] + example["rejected"]
        template = ChatTemplate(self._tokenizer, PromptFormat(chat_template_kwargs=variables))
        try:
            text = template.render_chat([*before, last])
            rendered = template.render_exchange(tuple(map(Message.model_validate, before)), last["content"])
        except ValidationError as error:
            raise InputError(f"{self._owner}: {_name(example)}: {describe_validation_error(error)}") from None
        except ModelError as error:
            raise InputError(f"{self._owner}: {_name(example)}: {error}") from None
        if not text.startswith(rendered.prompt + rendered.answer):
            raise InputError(
                f"{self._owner}: {_name(example)}: the chat template has no place for the first message, so that the "
                "rejected program cannot be found in the text; write the system's message into the user's"
            )
        start = len(rendered.prompt)
        return text, start - rendered.start, start + len(rendered.answer)


def _spans(example: Example) -> Sequence[Span]:
    """Return the error region of an example; an exported data set has null where no region was found."""
    return example["rejected_spans"] or ()


def _name(example: Example) -> str:
    """Return words that tell which row an example is."""
    if "task_id" in example:
        return f"row {example['task_id']!r}"
    prompt = example["prompt"] if isinstance(example["prompt"], str) else example["prompt"][-1]["content"]
    return f"the row whose prompt begins with {prompt[:_SHOWN]!r}"
