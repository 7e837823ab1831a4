"""TRL's `DPOTrainer`, given masks and reference log-probabilities as data, and IterPref's loss."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import torch
from datasets import Dataset
from peft import PeftModel
from torch.utils.data import Sampler
from trl import DPOTrainer

from iterpref_core.errors import ConfigError
from iterpref_core.objectives.objectives import HALF, Objective, nll_loss, sequence_logratio
from iterpref_core.training.attention import attention_mask
from iterpref_core.training.batch_statistics import (
    NLL_TOKENS,
    PAIRS,
    REJECTED_COUNTED,
    REJECTED_TOKENS,
    BatchStatistics,
    CountingCollator,
)
from iterpref_core.training.checkpoint import mark_whole
from iterpref_core.training.columns import COLUMNS, STORED
from iterpref_core.training.dpo_settings import refuse_ignored
from iterpref_core.training.exactness import switch_off_randomness
from iterpref_core.training.half_batches import AlternatingSampler
from iterpref_core.training.label_head import add_label_head
from iterpref_core.training.layouts import Batch, Collator, Pair


class DivergedError(Exception):
    """Training must stop: ends the training loop before the step that would follow.

    Attributes:
        reason: what is not finite (`loss`, `gradient`, `validation_loss`), or `margin`, which exceeds its limit.
        step: the optimizer step whose batch showed it, from 1.
        value: what it was.
    """

    def __init__(self, reason: str, step: int, value: float) -> None:
        super().__init__(f"{reason} = {value:g} at step {step}")
        self.reason, self.step, self.value = reason, step, value


class FocalDPOTrainer(DPOTrainer):
    """Trains with any row of the table of objectives.

    The data set comes tokenized, with the columns of `columns.COLUMNS`; batches come from a collator of `layouts`.
    What TRL would prepare itself (tokens, sequence-level reference sums) is therefore left out here.

    Args:
        objective: the row of the table, whose loss and alpha count.
        data_collator: lays pairs out.
        nll: reduction of the NLL term, over the batch's tokens or each program's.
        max_margin: a mean reward margin beyond it ends training; 0 for no limit.
        **kwargs: as for `DPOTrainer`.
    """

    loss_is_scaled_for_ga = True  # `compute_loss` returns a micro-batch's share in the loss of the whole batch

    def __init__(
        self,
        *,
        objective: Objective,
        data_collator: Collator,
        nll: Literal["mean", "sum"] = "mean",
        max_margin: float = 0.0,
        **kwargs: Any,
    ) -> None:
        self._objective, self._alpha, self._nll = objective, objective.alpha, nll
        self._max_margin, self._tally = max_margin, BatchStatistics()
        refuse_ignored(kwargs.get("args"), kwargs.get("train_dataset"))
        super().__init__(data_collator=CountingCollator(data_collator), **kwargs)
        if self.args.n_gpu > 1:
            raise ConfigError(
                f"{self.args.n_gpu} GPUs and one process: rows cannot be split without their labels; start one process "
                "per GPU with `accelerate launch`, or set CUDA_VISIBLE_DEVICES to one"
            )
        switch_off_randomness(self.model)
        add_label_head(self.model.get_base_model() if isinstance(self.model, PeftModel) else self.model)

    def _prepare_dataset(self, dataset: Dataset, *_: Any, **__: Any) -> Dataset:
        return dataset

    def _precompute_ref_logps(self, dataset: Dataset, *_: Any, **__: Any) -> Dataset:
        return dataset

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> Sampler[int] | None:
        if self._objective.rejected != HALF:
            return super()._get_train_sampler(train_dataset)  # type: ignore[no-any-return]
        return AlternatingSampler(len(train_dataset or self.train_dataset) // 2, self.args.seed)

    def _set_signature_columns_if_needed(self) -> None:
        self._signature_columns = list({*COLUMNS, *STORED})

    def _get_num_items_in_batch(self, batch_samples: list[Batch], device: torch.device) -> torch.Tensor:
        """`counts` of the whole batch: all its accumulation steps, in all processes."""
        counts = torch.stack([batch["counts"] for batch in batch_samples]).sum(dim=0).to(device)
        return self.accelerator.reduce(counts, "sum")  # type: ignore[no-any-return]

    def compute_loss(
        self,
        model: Any,
        inputs: Batch,
        return_outputs: bool = False,  # the signature is transformers'
        num_items_in_batch: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """The loss of a batch; of a part of one, its share, so that shares add up to the loss of the whole.

        Args:
            model: the policy, as the accelerator has wrapped it.
            inputs: a batch from the collator, with `counts`.
            return_outputs: never; the loss needs no logits, so none are built.
            num_items_in_batch: `counts` of the whole batch; None where `inputs` is all of it.
        """
        assert not return_outputs
        if num_items_in_batch is None:
            return self._compute_loss(model, inputs, torch.ones_like(inputs["counts"]))
        # Gradients are averaged over processes, which would divide what each has already divided by the whole.
        share = inputs["counts"] / num_items_in_batch.clamp(min=1) * self.accelerator.num_processes
        return self._compute_loss(model, inputs, share)

    def _compute_loss(self, model: Any, inputs: Batch, share: torch.Tensor) -> torch.Tensor:
        """The loss of `inputs`, whose `share`, (4,), of each of the counts of the whole batch weighs its means."""
        logps = self._label_logps(model, inputs)
        labels = inputs["labels_per_pair"]
        pairs = len(labels)
        per = NLL_TOKENS if self._nll == "mean" else PAIRS
        nll = nll_loss(logps, inputs["nll_weights"], self._nll, pairs)
        self._tally.add("nll", nll * inputs["counts"][per], inputs["counts"][per])
        if self._objective.loss is None:
            return self._alpha * nll * share[per]
        # The size spares a GPU from being asked for the sum of the labels.
        pair = torch.arange(pairs, device=labels.device).repeat_interleave(labels, output_size=len(logps))
        chosen, rejected = (
            sequence_logratio(logps, inputs["ref_logps"], inputs[f"{side}_weights"], pair, pairs)
            for side in ("chosen", "rejected")
        )
        losses = self._objective.loss(chosen, rejected, self.beta)
        self._count_rewards(chosen.detach(), rejected.detach(), losses.detach(), inputs["counts"])
        loss = losses.mean() * share[PAIRS]
        # Without this test an alpha of 0 would turn an NLL of infinity into a loss that is not a number.
        return loss + self._alpha * nll * share[per] if self._alpha else loss

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

    def _count_rewards(
        self, chosen: torch.Tensor, rejected: torch.Tensor, losses: torch.Tensor, counts: torch.Tensor
    ) -> None:
        """Implicit rewards: beta times the log-ratios."""
        for name, values in (
            ("rewards/chosen", self.beta * chosen),
            ("rewards/rejected", self.beta * rejected),
            ("rewards/margins", self.beta * (chosen - rejected)),
            ("rewards/accuracies", (chosen > rejected).float()),
            ("preference", losses),
        ):
            self._tally.add(name, values.sum(), counts[PAIRS])
        self._tally.add("focal_fraction", counts[REJECTED_COUNTED], counts[REJECTED_TOKENS])

    def _take_means(self) -> dict[str, float]:
        """Means over what was computed since the last call, in all processes, and their `loss`."""
        means = self._tally.take_means(lambda sums: self.accelerator.reduce(sums, "sum"))
        loss = means.pop("preference", 0.0)
        return {"loss": loss + self._alpha * means["nll"] if self._alpha else loss, **means}

    def _clip_grad_norm(self, model: Any) -> Any:
        """Clip, and look at the step before it is made: the only place that sees all of it."""
        norm = super()._clip_grad_norm(model)
        means, step = self._take_means(), self.state.global_step + 1
        margin, gradient = means.get("rewards/margins", 0.0), 0.0 if norm is None else float(norm)
        if not math.isfinite(means["loss"]):
            raise DivergedError("loss", step, means["loss"])
        if not math.isfinite(gradient):
            raise DivergedError("gradient", step, gradient)
        if self._max_margin and margin > self._max_margin:
            raise DivergedError("margin", step, margin)
        for name in means.keys() - {"loss"}:
            self._metrics["train"][name].append(means[name])
        return norm

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Loss, NLL and rewards of the validation pairs, the same however they are spread over processes."""
        model = self.model_wrapped
        model.eval()
        with torch.no_grad(), self.compute_loss_context_manager():
            for rows in self._validation_batches():
                self.compute_loss(model, self._prepare_inputs(self.data_collator(rows)))
        means = {f"eval_{name}": value for name, value in self._take_means().items()}
        if not math.isfinite(means["eval_loss"]):
            raise DivergedError("validation_loss", self.state.global_step, means["eval_loss"])
        self.log(dict(means))
        self.callback_handler.on_evaluate(self.args, self.state, self.control, means)
        return means

    def _validation_batches(self) -> Iterator[list[Pair]]:
        """This process's pairs: as many batches in each process, of micro-batch size or up to twice that."""
        rows, state = self.eval_dataset, self.accelerator.state
        batches = (
            max(1, len(rows) // (state.num_processes * self.args.per_device_eval_batch_size)) * state.num_processes
        )
        for number in range(state.process_index, batches, state.num_processes):
            first, end = (len(rows) * edge // batches for edge in (number, number + 1))
            yield [rows[index] for index in range(first, end)]

    def load_weights(self, checkpoint: Path) -> None:
        """Put a checkpoint's weights in place of the trained ones, however they are sharded."""
        self.state.best_model_checkpoint = str(checkpoint)
        self._load_best_model()

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """A checkpoint is marked as whole after every process has written its part."""
        super()._save_checkpoint(model, trial)
        self.accelerator.wait_for_everyone()
        if self.args.should_save:
            mark_whole(Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}")
