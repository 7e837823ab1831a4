"""Focal training in a plain `trl.KTOTrainer`: a collator that counts the error region alone of each failing program.

KTO (arXiv 2402.01306) needs no pairs: a program is desirable or not. With K the sum of log pi - log pi_ref over the
tokens of a program that count, and z the divergence of the policy from the reference, not below 0,

    a passing program   1 - sigmoid(beta (K - z))       all of its tokens count
    a failing program   1 - sigmoid(beta (z - K))       the tokens of D- count

TRL estimates z from programs under other rows' prompts. All tokens of those count, so that z is that of plain KTO.
"""

from typing import Any

from torch import Tensor, tensor
from transformers import PreTrainedTokenizerBase
from trl import KTOConfig
from trl.trainer.kto_trainer import DataCollatorForUnpairedPreference

from iterpref_core.records.errors import InputError
from iterpref_core.training.library.rejected_tokens import Example, RejectedTokens
from iterpref_core.training.training.script_inputs import require_object


class FocalKTOCollator(DataCollatorForUnpairedPreference):
    r"""A collator of batches in the layout of TRL's KTO, which counts the error region alone of each failing program.

    The data set is one of pairs with the column `rejected_spans` (`mark_errors`), of each of which TRL makes two rows;
    or it has the columns `prompt`, `completion`, `label` and, for rows whose label is false, `rejected_spans`.
    `KTOConfig(remove_unused_columns=False)` keeps the column.

    Args:
        tokenizer: the trainer's; it must give offsets.
        args: the trainer's. Rows are cut and padded as it says, with `max_length` and `pad_to_multiple_of`.

    Raises:
        InputError: `args` is no `KTOConfig`, does not keep the column, or has precomputed references, which TRL keeps
            by the data set alone, so that those of whole programs would be taken.

    >>> row = {"prompt": "Add one.\n", "chosen": "def f(x):\n    y = x + 1\n", "rejected": "def f(x):\n    y = x - 1\n"}
    >>> args = KTOConfig(str(folder), remove_unused_columns=False, use_cpu=True, bf16=False, report_to="none")
    >>> trainer = KTOTrainer(
    ...     model=model,
    ...     args=args,
    ...     train_dataset=Dataset.from_list([row]).map(mark_errors),
    ...     processing_class=tokenizer,
    ...     data_collator=FocalKTOCollator(tokenizer, args),
    ... )
    >>> batch = trainer.data_collator(list(trainer.train_dataset))
    >>> for ids, mask in zip(batch["input_ids"], batch["completion_mask"], strict=True):
    ...     print(repr(tokenizer.decode(ids[mask == 1], skip_special_tokens=True).strip()))
    'def f(x):\n    y = x + 1'
    'y = x - 1'
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, args: KTOConfig) -> None:
        require_object("FocalKTOCollator", "tokenizer", tokenizer, PreTrainedTokenizerBase)
        require_object("FocalKTOCollator", "args", args, KTOConfig)
        if args.remove_unused_columns:
            raise InputError(
                "FocalKTOCollator: the spans would be removed; set remove_unused_columns=False in KTOConfig"
            )
        if args.precompute_ref_log_probs:
            raise InputError(
                "FocalKTOCollator: TRL keeps precomputed references by the data set alone, whole programs' and error "
                "regions' alike; set precompute_ref_log_probs=False in KTOConfig"
            )
        padding = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id
        super().__init__(
            pad_token_id=padding,
            max_length=args.max_length,
            pad_to_multiple_of=args.pad_to_multiple_of,
        )
        self._rejected = RejectedTokens("FocalKTOCollator", tokenizer)

    def torch_call(self, examples: list[Example]) -> dict[str, Any]:
        """Collate examples that TRL has tokenized.

        Raises:
            InputError: a failing program has no spans, its token ids are not those of its texts, or nothing of its
                error region is left.
        """
        batch: dict[str, Any] = super().torch_call(examples)
        masks: Tensor = batch["completion_mask"]
        for row, example in zip(masks, examples, strict=True):
            if example["label"]:
                continue
            if example.get("rejected_spans") is None:
                raise InputError(
                    "FocalKTOCollator: a failing program has no 'rejected_spans'; call `pairs.map(mark_errors)` first, "
                    "or give the spans of each row whose label is false"
                )
            failing = example | {"rejected": example["completion"], "rejected_ids": example["completion_ids"]}
            counted = self._rejected.counted(failing, self.max_length)
            row[: len(counted)] = tensor(counted)
        return batch
