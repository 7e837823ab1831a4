"""Focal preference trainer: transformers' `Trainer` with the loss of any row of the table of objectives.

A script and the stage run the same one.
"""

import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from accelerate.state import AcceleratorState
from datasets import Dataset
from peft import PeftConfig, PeftModel, get_peft_model
from torch.distributed.fsdp import MixedPrecisionPolicy
from torch.utils.data import Sampler, Subset
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerBase,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)

from iterpref_core.records.config import Layout
from iterpref_core.records.errors import ConfigError, InputError, unknown_name
from iterpref_core.training.data.batches import (
    PAD_TO_MULTIPLE_OF,
    Batch,
    Collator,
    Counts,
)
from iterpref_core.training.data.half_batches import (
    AlternatingSampler,
    BothHalves,
)
from iterpref_core.training.data.tokenized_pair import TokenizedPair
from iterpref_core.training.model.attention import choose_attention
from iterpref_core.training.model.label_head import add_label_head, base_of, batch_logps
from iterpref_core.training.model.layout import longest_pair
from iterpref_core.training.model.parity import (
    Noise,
    check_parity,
    rounding_dtype,
    saved_as_given,
    silent,
)
from iterpref_core.training.model.policy import check_adapters_of
from iterpref_core.training.model.ranks import is_sharded
from iterpref_core.training.objectives.losses import nll_loss, preference_losses
from iterpref_core.training.objectives.objective_table import HALF, Objective
from iterpref_core.training.trainer.base_trainer import BaseTrainer, DivergedError, ReleaseMemory
from iterpref_core.training.trainer.checkpoint import is_whole, last_checkpoint
from iterpref_core.training.trainer.focal_config import FocalDPOConfig, padding_of
from iterpref_core.training.trainer.trainer_inputs import (
    check_arguments,
    load_policy_of,
    read_rows,
    settings_of_trainer,
)

logger = logging.getLogger(__name__)

Pairs = Sequence[TokenizedPair] | Subset[TokenizedPair]
"""Tokenized pairs, or some of them."""


class FocalDPOTrainer(BaseTrainer):
    r"""The trainer of this project, for any objective; it is called as TRL's `DPOTrainer` is.

    Stage `training` runs it, too (`train_objective`).

    Args:
        model: the policy, or its name: a folder or hub id, which is loaded in float32 unless
            `args.model_init_kwargs` has another `dtype`.
        args: settings, best a `FocalDPOConfig`; None: those by default.
        train_dataset: pairs with the columns that `focal_dataset` reads, or that function's result. Where the
            reference's log-probabilities are missing, the model computes them now.
        processing_class: the tokenizer, which must have an end token; None: the model's.
        eval_dataset: as `train_dataset`, or several sets by name.
        objective: a row of `OBJECTIVES` or of one's own, or a name; None: as `args` says, as for all that follow.
        beta: strength of the implicit KL penalty; None: as `args` says.
        alpha: weight of the NLL, of an objective that has one; None: as `args` says, or 1.
        layout: how pairs are laid out in rows; `fork` becomes `padded` where the model is not known to be exact so;
            None: as `args` says, or `padded`.
        nll: reduction of the NLL term, over the batch's tokens or each program's; None: as `args` says, or `mean`.
        max_margin: a mean reward margin beyond it ends training; None: as `args` says, or 0, which is no limit.
        peft_config: adapters to train instead of the model's own weights.
        **kwargs: as for `Trainer`.

    Raises:
        ConfigError: there is no such objective, several GPUs are given to one process, or adapters are on an embedding
            that is also the head.
        InputError: a setting is missing or has no effect, a data set was made with other settings, no weight is
            trained, or training would have noise.
        ModelError: there is no such model, it cannot be read, or training would not compute the log-probabilities of
            the model's own logits.

    Attributes:
        before_training: work before the first step, which needs the model as it is prepared for training.

    >>> row = {"prompt": "Add one.", "chosen": "def f(x):\n    y = x + 1\n", "rejected": "def f(x):\n    y = x - 1\n"}
    >>> pairs = Dataset.from_list([row]).map(mark_errors)
    >>> args = FocalDPOConfig(str(folder), max_steps=2, report_to="none", use_cpu=True, bf16=False)
    >>> trainer = FocalDPOTrainer(model, args, pairs, tokenizer)
    >>> result = trainer.train()
    {'train_runtime': ...}
    >>> result.global_step
    2
    """

    loss_is_scaled_for_ga = True  # `compute_loss` returns a micro-batch's share in the loss of the whole batch

    def __init__(
        self,
        model: str | Path | PreTrainedModel | PeftModel,
        args: TrainingArguments | None = None,
        train_dataset: Dataset | Pairs | None = None,
        processing_class: PreTrainedTokenizerBase | None = None,
        *,
        eval_dataset: Dataset | Pairs | Mapping[str, Dataset | Pairs] | None = None,
        objective: Objective | str | None = None,
        beta: float | None = None,
        alpha: float | None = None,
        layout: Layout | None = None,
        nll: Literal["mean", "sum"] | None = None,
        max_margin: float | None = None,
        peft_config: PeftConfig | None = None,
        **kwargs: Any,
    ) -> None:
        if args is None:
            name = model if isinstance(model, (str, Path)) else getattr(model.config, "_name_or_path", "")
            args = FocalDPOConfig(f"{Path(name).name or 'model'}-{type(self).__name__}")
        check_arguments(model, args, processing_class, peft_config, kwargs)
        given = {"objective": objective, "beta": beta, "alpha": alpha}
        given |= {"layout": layout, "nll": nll, "max_margin": max_margin}
        settings = settings_of_trainer(args, given)
        row: Objective = settings["objective"]
        policy, tokenizer = load_policy_of(model, processing_class, args, adds_adapters=peft_config is not None)
        padding = padding_of(tokenizer, args)
        trained = read_rows("train_dataset", train_dataset, policy, tokenizer, row, args)
        sets = eval_dataset if isinstance(eval_dataset, Mapping) else {"": eval_dataset}
        validation = {}
        for name, rows in sets.items():
            if rows is not None:
                validation[name] = read_rows("eval_dataset", rows, policy, tokenizer, row, args)
        self._set_loss(row, settings)
        collator = Collator(row, settings["layout"], padding, PAD_TO_MULTIPLE_OF)
        # Before adapters: a head that `modules_to_save` names is behind a wrapper of PEFT's afterwards.
        add_label_head(policy)
        super().__init__(
            model=add_adapters(policy, peft_config, args),
            args=args,
            data_collator=collator,
            train_dataset=self._as_drawn(trained),
            eval_dataset=validation if isinstance(eval_dataset, Mapping) else validation.get(""),
            processing_class=tokenizer,
            **kwargs,
        )
        check_adapters_of(self.model)
        self.before_training: list[Callable[[], None]] = []
        self.add_callback(_Before(self))
        self.add_callback(ReleaseMemory())
        longest = max(longest_pair(rows) for rows in (trained, *validation.values()))
        self.data_collator = replace(collator, layout=self._prepare(collator.layout, longest))

    def _set_loss(self, row: Objective, settings: Mapping[str, Any]) -> None:
        """Set the loss, and the numbers that are counted beside it."""
        self._objective = row
        self._alpha = 0.0 if row.nll_of is None else settings["alpha"]
        self._nll = settings["nll"]
        self._beta = settings["beta"]
        self._max_margin = settings["max_margin"]
        self._sums: dict[str, torch.Tensor] = {}  # of each number its sum and its count, over micro-batches
        self._steps: list[dict[str, float]] = []
        self._silenced: Noise = []

    def _prepare(self, layout: Layout, longest: int) -> Layout:
        """Give the model the attention of its layout, try it, and return the layout in which its pairs are exact."""
        if self.args.n_gpu > 1:
            raise ConfigError(
                f"{self.args.n_gpu} GPUs and one process: rows cannot be split without their labels; start one process "
                "per GPU with `accelerate launch`, or set CUDA_VISIBLE_DEVICES to one"
            )
        keep_output_precision(self.accelerator.state)
        base = base_of(self.model)
        own = base.config._attn_implementation  # noqa: SLF001 - transformers offers no other way to ask
        if layout == "fork":
            choose_attention(base, longest)
        if is_sharded():
            self.before_training.append(partial(self._check_sharded, layout, longest))
            return layout
        dtype = rounding_dtype(base)
        if layout == "fork":
            try:
                check_parity(self.model, layout, longest, dtype=dtype)
                return layout
            except ConfigError as error:
                logger.warning("training.layout: padded instead of fork, which is faster: %s", error)
                base.set_attn_implementation(own)
        check_parity(self.model, "padded", longest, dtype=dtype)
        return "padded"

    def _check_sharded(self, layout: Layout, longest: int) -> None:
        """Check weights that several processes share, which are whole in none, as they are prepared for training."""
        dtype = torch.bfloat16 if self.args.bf16 else None
        check_parity(self.model, layout, longest, self.model_wrapped, dtype)

    def train(self, resume_from_checkpoint: bool | str | None = None, *args: Any, **kwargs: Any) -> Any:
        """Train without the model's own noise, which would separate the policy from its reference.

        Args:
            resume_from_checkpoint: a checkpoint that was written to its end; True: the newest of them.
            *args: as for `Trainer`.
            **kwargs: as for `Trainer`.

        Raises:
            InputError: there is no such checkpoint.
        """
        if resume_from_checkpoint is True:
            last = last_checkpoint(Path(self.args.output_dir))
            if last is None:
                raise InputError(
                    f"{self.args.output_dir}: holds no whole checkpoint; train without resume_from_checkpoint"
                )
            resume_from_checkpoint = str(last)
        if resume_from_checkpoint and not is_whole(Path(resume_from_checkpoint)):
            raise InputError(
                f"{resume_from_checkpoint}: is no checkpoint that this trainer wrote to its end; name another, or give "
                "resume_from_checkpoint=True for the newest that is whole"
            )
        with silent(self.model) as self._silenced:
            return super().train(resume_from_checkpoint, *args, **kwargs)

    def _save(self, *args: Any, **kwargs: Any) -> None:
        """Save a checkpoint as the user's model, whose noise is off in training alone."""
        with saved_as_given(self._silenced):
            super()._save(*args, **kwargs)

    def _as_drawn(self, rows: Any) -> Any:
        """Return the rows from which batches are drawn: each pair twice where one half of a batch differs."""
        return BothHalves(rows) if self._objective.rejected == HALF else rows

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int] | None:
        if self._objective.rejected != HALF:
            return super()._get_train_sampler(train_dataset)  # type: ignore[no-any-return]
        seed = self.args.seed if self.args.data_seed is None else self.args.data_seed
        return AlternatingSampler(len(train_dataset or self.train_dataset) // 2, seed)

    def _get_num_items_in_batch(self, batch_samples: list[Batch], device: torch.device) -> torch.Tensor:
        """Return the sums of `counts` over the whole batch: all its accumulation steps, in all processes."""
        counts = torch.cat([batch["counts"] for batch in batch_samples]).sum(dim=0).to(device)
        return self.accelerator.reduce(counts, "sum")  # type: ignore[no-any-return]

    def compute_loss(
        self,
        model: Any,
        inputs: Batch,
        return_outputs: bool = False,  # the signature is transformers'
        num_items_in_batch: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return the loss of a batch; of a part of one, its share, so that shares add up to the loss of the whole.

        L = mean over pairs of -log sigmoid(beta (K+ - K-)) + alpha NLL(y+)   (arXiv 2503.02783, section 3.3)

        Args:
            model: the policy, as the accelerator has wrapped it.
            inputs: a batch from the collator.
            return_outputs: never; the loss needs no logits, so none are built.
            num_items_in_batch: the sums of `counts` over the whole batch; None where `inputs` is all of it.
        """
        assert not return_outputs
        counts = inputs["counts"].sum(dim=0)
        shares = torch.ones_like(counts)
        if num_items_in_batch is not None:
            # Of 4 pairs in two processes with two micro-batches each, a micro-batch has 1 / 4 of the pairs. Gradients
            # are averaged over processes, which divides by 2 once more, so its share is 2 / 4.
            shares = counts / num_items_in_batch.clamp(min=1) * self.accelerator.num_processes
        count = Counts(*counts)
        share = Counts(*shares)
        share_of_nll, count_of_nll = share.pairs, count.pairs
        if self._nll == "mean":
            share_of_nll, count_of_nll = share.nll_tokens, count.nll_tokens

        logps = batch_logps(model, inputs, self.model.config)
        pairs = len(inputs["counts"])  # a shape, for which nobody waits for the card
        nll = nll_loss(logps, inputs["w_nll"], self._nll, pairs)
        self._count("nll", nll * count_of_nll, count_of_nll)
        row = self._objective
        if row.loss is None:
            return self._alpha * nll * share_of_nll
        chosen, rejected, losses = preference_losses(
            logps, inputs, row.loss, self._beta, pairs, averaged=row.averaged, options=row.options
        )
        self._count("preference", losses.sum(), count.pairs)
        self._count_rewards(chosen, rejected)
        self._count("focal_fraction", count.rejected_counted, count.rejected_tokens)
        # Without this test an alpha of 0 would turn an NLL of infinity into a loss that is not a number.
        if self._alpha == 0:
            return losses.mean() * share.pairs
        return losses.mean() * share.pairs + self._alpha * nll * share_of_nll

    def _count_rewards(self, chosen: torch.Tensor, rejected: torch.Tensor) -> None:
        """Add to the means of rewards: beta K+ and beta K- of each pair."""
        pairs = chosen.new_tensor(len(chosen))
        of_pairs = {
            "rewards/chosen": self._beta * chosen,
            "rewards/rejected": self._beta * rejected,
            "rewards/margins": self._beta * (chosen - rejected),
            "rewards/accuracies": (chosen > rejected).float(),
        }
        for name, values in of_pairs.items():
            self._count(name, values.sum(), pairs)

    def _count(self, name: str, total: torch.Tensor, count: torch.Tensor) -> None:
        """Add to the sum and the count of a number, from which its mean is made."""
        item = torch.stack([total.detach().float(), count.float()])
        if name in self._sums:
            item = self._sums[name] + item
        self._sums[name] = item

    def _take_means(self) -> dict[str, float]:
        """Return the means over all that was computed since the last call, in all processes, and their `loss`."""
        sums = torch.stack(list(self._sums.values()))
        of_all_processes = self.accelerator.reduce(sums, "sum").tolist()
        means = {}
        for name, (total, count) in zip(self._sums, of_all_processes, strict=True):
            if count:
                means[name] = total / count
        self._sums.clear()
        loss = means.pop("preference", 0.0)
        if self._alpha:
            loss += self._alpha * means["nll"]
        return {"loss": loss, **means}

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        """Return the norm of a whole gradient, after a look at the step, which has updated nothing yet.

        Raises:
            DivergedError: something is not finite, or the margin exceeds its limit.
        """
        norm = super()._get_grad_norm(model, grad_norm)
        means = self._take_means()
        step = self.state.global_step + 1
        margin = means.get("rewards/margins", 0.0)
        gradient = 0.0 if norm is None else float(norm)
        if not math.isfinite(means["loss"]):
            raise DivergedError("loss", step, means["loss"])
        if not math.isfinite(gradient):
            raise DivergedError("gradient", step, gradient)
        if self._max_margin and margin > self._max_margin:
            raise DivergedError("margin", step, margin)
        self._steps.append({name: value for name, value in means.items() if name != "loss"})
        return norm

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log, with the means of the steps since the last time."""
        if "loss" in logs:  # and no line of a validation between two of these
            values: dict[str, list[float]] = {}
            for step in self._steps:
                for name, value in step.items():
                    values.setdefault(name, []).append(value)
            for name, of_steps in values.items():
                logs[name] = sum(of_steps) / len(of_steps)
            self._steps.clear()
        super().log(logs, start_time)

    def evaluate(
        self,
        eval_dataset: Pairs | Mapping[str, Pairs] | str | None = None,
        ignore_keys: Sequence[str] | None = None,  # the signature is transformers'
        metric_key_prefix: str = "eval",
    ) -> dict[str, float]:
        """Return loss, NLL and rewards of pairs, the same however they are spread over processes.

        Args:
            eval_dataset: as from `focal_dataset`, or several such sets by name, whose numbers are called
                `eval_<name>_…`; the name of one of the trainer's own; None: the trainer's own validation pairs.
            ignore_keys: without effect, since nothing is gathered but numbers.
            metric_key_prefix: how the names of the numbers begin.

        Raises:
            InputError: there are no pairs.
        """
        rows: Any = self.eval_dataset if eval_dataset is None else eval_dataset
        if isinstance(rows, str):
            sets = self.eval_dataset if isinstance(self.eval_dataset, Mapping) else {}
            if rows not in sets:
                raise InputError(f"FocalDPOTrainer.evaluate: {unknown_name('eval_dataset', rows, sets)}")
            rows = sets[rows]
        if isinstance(rows, Mapping):
            numbers: dict[str, float] = {}
            for name, of_name in rows.items():
                numbers |= self.evaluate(of_name, ignore_keys, f"{metric_key_prefix}_{name}")
            return numbers
        if rows is None or not len(rows) or not isinstance(rows[0], TokenizedPair):
            raise InputError(
                "FocalDPOTrainer.evaluate: there are no tokenized pairs; give an eval_dataset that `focal_dataset` "
                "made before training, when the model was its own reference"
            )
        if is_sharded() and self.model_wrapped is self.model:
            raise InputError(
                "FocalDPOTrainer.evaluate: the weights are sharded when training begins; call it after that"
            )
        rows = self._as_drawn(rows)
        model = self.model_wrapped
        model.eval()
        with torch.no_grad(), self.accelerator.autocast():  # before training the model has none of its own
            for pairs in self._validation_batches(rows):
                batch = self._prepare_inputs(self.data_collator(pairs))
                self.compute_loss(model, batch)
        means = {f"{metric_key_prefix}_{name}": value for name, value in self._take_means().items()}
        loss = means[f"{metric_key_prefix}_loss"]
        if not math.isfinite(loss):
            raise DivergedError("validation_loss", self.state.global_step, loss)
        self.log(dict(means))
        self.callback_handler.on_evaluate(self.args, self.state, self.control, means)
        return means

    def predict(self, *_: Any, **__: Any) -> Any:
        """Refuse: no logits are built.

        Raises:
            InputError: always.
        """
        raise InputError("FocalDPOTrainer.predict: no logits are built, so there is nothing to return; use evaluate")

    def _validation_batches(self, rows: Any) -> Iterator[list[TokenizedPair]]:
        """Yield this process's pairs: as many batches in each process, of micro-batch size or up to twice that."""
        # 11 pairs, two processes, batches of 2: each process has 11 // 4 = 2 batches, so there are 4 in all, which end
        # at the pairs 2, 5, 8 and 11. The first process takes the first and the third of them.
        processes = self.accelerator.num_processes
        of_each = max(1, len(rows) // (processes * self.args.per_device_eval_batch_size))
        batches = of_each * processes
        for number in range(self.accelerator.process_index, batches, processes):
            first = len(rows) * number // batches
            end = len(rows) * (number + 1) // batches
            yield [rows[index] for index in range(first, end)]


class _Before(TrainerCallback):
    """Calls a trainer before training."""

    def __init__(self, trainer: FocalDPOTrainer) -> None:
        self._trainer = trainer

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        """Do the work that needs the model as it is prepared for training, and sharded if it is to be."""
        for work in self._trainer.before_training:
            work()


def keep_output_precision(state: AcceleratorState) -> None:
    """Let FSDP2 return log-probabilities as the model's head computes them, and add gradients in float32.

    Under bfloat16 accelerate has FSDP2 round every output to it. A log-probability of -100 would be off by up to 0.25.
    """
    plugin: Any = getattr(state, "fsdp_plugin", None)
    policy = getattr(plugin, "mixed_precision_policy", None)
    if isinstance(policy, MixedPrecisionPolicy):
        plugin.mixed_precision_policy = replace(policy, output_dtype=None, reduce_dtype=torch.float32)


def add_adapters(
    model: PreTrainedModel | PeftModel,
    config: PeftConfig | None,
    args: TrainingArguments,
) -> PreTrainedModel | PeftModel:
    """Return the model with fresh adapters, as TRL adds them; without a configuration as it is."""
    set_seed(args.seed)  # adapters are drawn
    zero3 = args.deepspeed_plugin is not None and args.deepspeed_plugin.zero_stage == 3
    if config is not None:
        # ZeRO-3 gathers weights of one precision at a time, so its adapters are not widened to float32.
        model = get_peft_model(model, config, autocast_adapter_dtype=not zero3)
    checkpointing = args.activation_checkpointing
    if isinstance(model, PeftModel) and checkpointing:
        model.enable_input_require_grads()
        if zero3:  # its hooks see no recomputation of the other kind
            options = dict(args.activation_checkpointing_kwargs or {})
            options["use_reentrant"] = True
            args.activation_checkpointing_kwargs = options
    return model
