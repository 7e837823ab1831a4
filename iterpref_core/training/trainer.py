"""TRL's `DPOTrainer`, given masks and reference log-probabilities as data, and IterPref's loss."""

from typing import Any, Literal

import torch
from datasets import Dataset
from peft import PeftModel
from torch.utils.data import Sampler
from trl import DPOTrainer

from iterpref_core.errors import ConfigError
from iterpref_core.training.attention import attention_mask
from iterpref_core.training.columns import COLUMNS
from iterpref_core.training.label_head import add_label_head
from iterpref_core.training.layouts import Batch, Collator
from iterpref_core.training.objectives import Objective, nll_loss, preference_loss, sequence_logratio
from iterpref_core.training.sampling import AlternatingSampler


class FocalDPOTrainer(DPOTrainer):
    """Trains with any row of the table of objectives.

    The data set comes tokenised, with the columns of `columns.COLUMNS`; batches come from a collator of `layouts`.
    What TRL would prepare itself (tokens, sequence-level reference sums) is therefore left out here.

    Args:
        objective: the row of the table.
        alpha: weight of the NLL term.
        nll: its reduction.
        data_collator: lays pairs out.
        **kwargs: as for `DPOTrainer`.
    """

    def __init__(
        self,
        *,
        objective: Objective,
        alpha: float,
        nll: Literal["mean", "sum"],
        data_collator: Collator,
        **kwargs: Any,
    ) -> None:
        self._objective, self._alpha, self._nll = objective, alpha, nll
        super().__init__(data_collator=data_collator, **kwargs)
        if self.args.n_gpu > 1:
            raise ConfigError(
                f"{self.args.n_gpu} GPUs and one process: rows cannot be split without their labels; start one process "
                "per GPU with `accelerate launch`, or set CUDA_VISIBLE_DEVICES to one"
            )
        add_label_head(self.model.get_base_model() if isinstance(self.model, PeftModel) else self.model)

    def _prepare_dataset(self, dataset: Dataset, *_: Any, **__: Any) -> Dataset:
        return dataset

    def _precompute_ref_logps(self, dataset: Dataset, *_: Any, **__: Any) -> Dataset:
        return dataset

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> Sampler[int] | None:
        if self._objective.rejected != "half focal":
            return super()._get_train_sampler(train_dataset)  # type: ignore[no-any-return]
        return AlternatingSampler(len(train_dataset or self.train_dataset) // 2, self.args.seed)

    def _set_signature_columns_if_needed(self) -> None:
        self._signature_columns = list(COLUMNS)

    def _compute_loss(self, model: Any, inputs: Batch, return_outputs: bool) -> torch.Tensor:
        assert not return_outputs, "the loss needs no logits, so none are built"
        logps = self._label_logps(model, inputs)
        counts = inputs["labels_per_pair"]
        pairs = len(counts)
        nll = nll_loss(logps, inputs["nll_weights"], self._nll, pairs)
        self._record("nll", nll)
        if not self._objective.preference:
            return self._alpha * nll
        # The size spares a GPU from being asked for the sum of the counts.
        pair = torch.arange(pairs, device=counts.device).repeat_interleave(counts, output_size=len(logps))
        chosen, rejected = (
            sequence_logratio(logps, inputs["ref_logps"], inputs[f"{side}_weights"], pair, pairs)
            for side in ("chosen", "rejected")
        )
        self._record_rewards(chosen.detach(), rejected.detach())
        loss = preference_loss(chosen, rejected, self.beta).mean()
        # Without this test an alpha of 0 would turn an NLL of infinity into a loss that is not a number.
        return loss + self._alpha * nll if self._alpha else loss

    def _label_logps(self, model: Any, inputs: Batch) -> torch.Tensor:
        """Log-probability of each label, (M,)."""
        if "visible" in inputs:
            attention = self.model.config._attn_implementation  # noqa: SLF001 - transformers offers no other way to ask
            mask = attention_mask(inputs["visible"], attention)
        else:
            mask = inputs["attention_mask"]
        return model(  # type: ignore[no-any-return]
            input_ids=inputs["input_ids"],
            position_ids=inputs["position_ids"],
            attention_mask=mask,
            label_slots=inputs["label_slots"],
            label_targets=inputs["label_targets"],
            use_cache=False,
        )

    def _record_rewards(self, chosen: torch.Tensor, rejected: torch.Tensor) -> None:
        """Implicit rewards: beta times the log-ratios."""
        self._record("rewards/chosen", self.beta * chosen)
        self._record("rewards/rejected", self.beta * rejected)
        self._record("rewards/margins", self.beta * (chosen - rejected))
        self._record("rewards/accuracies", (chosen > rejected).float())

    def _record(self, name: str, values: torch.Tensor) -> None:
        mode = "train" if self.model.training else "eval"
        self._metrics[mode][name].append(self.accelerator.gather(values.detach()).mean().item())
