"""Focal training in a plain `trl.DPOTrainer`: a collator that counts the error region alone of each rejected program.

TRL counts the tokens that `completion_mask` marks, in the policy, in the reference and in its losses. A mask of y- that
is limited to D- makes them focal (arXiv 2503.02783, section 3.3).
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, tensor
from transformers import PreTrainedTokenizerBase
from trl.trainer.dpo_trainer import DataCollatorForPreference

from iterpref_core.errors import InputError
from iterpref_core.training.data.tokenized_programs import mask_from_spans

Example = dict[str, Any]


class FocalCollator(DataCollatorForPreference):
    r"""A collator of batches in TRL's layout, which counts the error region alone of each rejected program.

    The data set has the column `rejected_spans` (`mark_errors`), and `DPOConfig(remove_unused_columns=False)` keeps the
    column. Precomputed references are found by the data set's columns, so those of other spans are never taken.

    Args:
        tokenizer: the model's; it must give offsets.
        max_length: tokens of prompt and program, as in `DPOConfig`; longer ones lose their end.
        pad_to_multiple_of: the length of rows is padded to a multiple of it.

    >>> row = {"prompt": "Add one.\n", "chosen": "def f(x):\n    y = x + 1\n", "rejected": "def f(x):\n    y = x - 1\n"}
    >>> trainer = DPOTrainer(
    ...     model=model,
    ...     args=DPOConfig(str(folder), remove_unused_columns=False, use_cpu=True, bf16=False, report_to="none"),
    ...     train_dataset=Dataset.from_list([row]).map(mark_errors),
    ...     processing_class=tokenizer,
    ...     data_collator=FocalCollator(tokenizer),
    ... )
    >>> batch = trainer.data_collator([trainer.train_dataset[0]])
    >>> counted = batch["completion_mask"][1] == 1
    >>> tokenizer.decode(batch["input_ids"][1][counted]).strip()
    'y = x - 1'
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        max_length: int | None = 1024,
        pad_to_multiple_of: int | None = None,
    ) -> None:
        padding = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id
        super().__init__(
            pad_token_id=padding,
            max_length=max_length,
            pad_to_multiple_of=pad_to_multiple_of,
        )
        self._tokenizer = tokenizer

    def torch_call(self, examples: list[Example]) -> dict[str, Any]:
        """Collate examples that TRL has tokenized.

        Raises:
            InputError: a column is missing, or the token ids are not those of the example's texts.
        """
        batch: dict[str, Any] = super().torch_call(examples)
        masks: Tensor = batch["completion_mask"]
        for number, example in enumerate(examples):
            row = masks[len(examples) + number]  # the rejected programs are the second half
            of_prompt = [0] * len(example["prompt_ids"])
            counted = of_prompt + self.error_region(example)
            counted = counted[: self.max_length]
            row[: len(counted)] = tensor(counted)
        return batch

    def error_region(self, example: Example) -> list[int]:
        """Return for each of `rejected_ids` whether it touches the error region.

        Raises:
            InputError: as for `torch_call`.
        """
        if "rejected_spans" not in example:
            raise InputError(
                "FocalCollator: the examples have no column 'rejected_spans'; call `pairs.map(mark_errors)` first, and "
                "set remove_unused_columns=False in DPOConfig"
            )
        text, begin, end = self._written(example)
        plain = isinstance(example["rejected"], str)
        encoded = self._tokenizer(text, return_offsets_mapping=True, add_special_tokens=plain)
        ids = example["prompt_ids"] + example["rejected_ids"]
        if list(encoded["input_ids"]) != list(ids):
            raise InputError(
                "FocalCollator: the token ids of an example are not those of its prompt and rejected program; give "
                "FocalCollator the tokenizer of the trainer, and the data set as TRL reads it"
            )
        spans = [(begin + first, min(begin + last, end)) for first, last in example["rejected_spans"]]
        marks: Sequence[int] = mask_from_spans(encoded["offset_mapping"], spans)
        return list(marks[len(example["prompt_ids"]) :])

    def _written(self, example: Example) -> tuple[str, int, int]:
        """Return the text that TRL tokenizes, and where the rejected program begins and ends in it.

        Raises:
            InputError: the program does not stand in the text.
        """
        if isinstance(example["rejected"], str):
            text = example["prompt"] + example["rejected"]
            return text, len(example["prompt"]), len(text)
        options = example.get("chat_template_kwargs") or {}
        messages = example["prompt"] + example["rejected"]
        text = str(self._tokenizer.apply_chat_template(messages, tokenize=False, **options))
        content: str = example["rejected"][-1]["content"]
        kept = content
        if content not in text:
            # Gemma's template strips blanks at the ends.
            kept = content.strip()
        place = text.rfind(kept)
        if place < 0:
            raise InputError("FocalCollator: the chat template changes the rejected program; correct the template")
        start = place - content.index(kept)
        end = place + len(kept)
        return text, start, end
