"""Focal training in a plain `trl.DPOTrainer`: a collator that counts the error region alone of each rejected program.

TRL counts the tokens that `completion_mask` marks, in the policy, in the reference and in its losses. A mask of y- that
is limited to D- makes them focal (arXiv 2503.02783, section 3.3).
"""

from typing import Any

from torch import Tensor, tensor
from transformers import PreTrainedTokenizerBase
from trl import DPOConfig
from trl.trainer.dpo_trainer import DataCollatorForPreference

from iterpref_core.records.errors import InputError
from iterpref_core.training.library.rejected_tokens import Example, RejectedTokens
from iterpref_core.training.training.script_inputs import require_object


class FocalCollator(DataCollatorForPreference):
    r"""A collator of batches in TRL's layout, which counts the error region alone of each rejected program.

    The data set has the column `rejected_spans` (`mark_errors`), and `DPOConfig(remove_unused_columns=False)` keeps the
    column.

    Args:
        tokenizer: the trainer's; it must give offsets.
        args: the trainer's. Rows are cut and padded as it says, with `max_length`, `truncation_mode`,
            `pad_to_multiple_of` and `pad_token`.

    Raises:
        InputError: `args` is no `DPOConfig`, does not keep the column, or has precomputed references, which TRL finds
            by the data set and the model alone: after a plain training on the same data set those of whole programs
            would be taken.

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

    def __init__(self, tokenizer: PreTrainedTokenizerBase, args: DPOConfig | None = None) -> None:
        require_object("FocalCollator", "tokenizer", tokenizer, PreTrainedTokenizerBase)
        if args is None:
            raise InputError(
                "FocalCollator: give it the trainer's DPOConfig, too, which says how rows are cut: "
                "FocalCollator(tokenizer, args)"
            )
        require_object("FocalCollator", "args", args, DPOConfig)
        if args.remove_unused_columns:
            raise InputError("FocalCollator: the spans would be removed; set remove_unused_columns=False in DPOConfig")
        if args.precompute_ref_log_probs:
            raise InputError(
                "FocalCollator: TRL finds precomputed references by the data set and the model alone, whole programs' "
                "and error regions' alike; set precompute_ref_log_probs=False in DPOConfig, or take FocalDPOTrainer, "
                "which always precomputes them"
            )
        padding = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id
        if args.pad_token is not None:
            padding = tokenizer.convert_tokens_to_ids(args.pad_token)
        super().__init__(
            pad_token_id=padding,
            max_length=args.max_length,
            truncation_mode=args.truncation_mode,
            pad_to_multiple_of=args.pad_to_multiple_of,
        )
        self._rejected = RejectedTokens("FocalCollator", tokenizer)

    def torch_call(self, examples: list[Example]) -> dict[str, Any]:
        """Collate examples that TRL has tokenized.

        Raises:
            InputError: a column is missing, the token ids are not those of the example's texts, or nothing of a row's
                error region is left.
        """
        batch: dict[str, Any] = super().torch_call(examples)
        masks: Tensor = batch["completion_mask"]
        for number, example in enumerate(examples):
            row = masks[len(examples) + number]  # the rejected programs are the second half
            counted = self._rejected.counted(example, self.max_length, keep_end=self.truncation_mode == "keep_end")
            row[: len(counted)] = tensor(counted)
        return batch

    def error_region(self, example: Example) -> list[int]:
        """Return for each of `rejected_ids` whether it touches the error region.

        Raises:
            InputError: as for `torch_call`.
        """
        return self._rejected.error_region(example)
