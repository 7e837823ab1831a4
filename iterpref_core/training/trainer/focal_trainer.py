"""Train with the loss of any row of the table of objectives, on transformers' `Trainer`.

Checkpoints survive `kill -9`, a loss that is not finite ends training, and freed memory is given back.
"""

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from accelerate.state import AcceleratorState
from peft import PeftModel, get_peft_model
from torch.distributed.fsdp import MixedPrecisionPolicy
from torch.utils.data import DataLoader, Subset
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Trainer,
    TrainerCallback,
    TrainerState,
    TrainingArguments,
    set_seed,
)

from iterpref_core.models.pretrained.freed_memory import FreedMemory
from iterpref_core.records import ConfigError, Layout, ModelError, TrainingError, TrainingParams
from iterpref_core.storage.whole_folder import mark_whole

from ..data.batches import Batch, Collator, Counts, row_multiple
from ..data.tokenized_pair import TokenizedPair
from ..model.attention import FLEX_IN_AUTOCAST, choose_attention
from ..model.label_head import add_label_head, base_of, batch_logps
from ..model.parity import check_parity, exact_layout, silent
from ..model.policy import check_adapters_of, freeze_other_parts, lora_config, report_half_precision
from ..model.ranks import is_sharded
from ..objectives.losses import nll_loss, preference_losses
from ..objectives.objective_settings import ObjectiveSettings
from .early_end import DivergedError, EndedError, is_patience_over

logger = logging.getLogger(__name__)

Pairs = Sequence[TokenizedPair] | Subset[TokenizedPair]
"""Tokenized pairs, or some of them."""


class FocalTrainer(Trainer):
    """The trainer of stage `training`, for any objective.

    Args:
        policy: the model to train.
        args: transformers' arguments.
        rows: tokenized pairs, whose reference is scored before the first step.
        longest: the tokens of the longest prompt and program, those of `validation` included.
        tokenizer: the model's.
        objective: the values that hold for the objective.
        params: layout, reduction of the NLL, limit of the margin, and adapters to train instead of the model's own
            weights, unless the model has some already.
        validation: tokenized pairs that are held out; None: none.

    Raises:
        ConfigError: several GPUs are given to one process, or adapters are on an embedding that is also the head.
        ModelError: training would not compute the log-probabilities of the model's own logits.

    Attributes:
        params: as given.
        before_training: work before the first step, which needs the model as it is prepared for training.
        has_gradient: whether a step of this process had one.
    """

    loss_is_scaled_for_ga = True  # `compute_loss` returns a micro-batch's share in the loss of the whole batch

    def __init__(
        self,
        policy: PreTrainedModel | PeftModel,
        args: TrainingArguments,
        rows: Pairs,
        longest: int,
        tokenizer: PreTrainedTokenizerBase,
        objective: ObjectiveSettings,
        params: TrainingParams,
        validation: Pairs | None = None,
    ) -> None:
        self._objective = objective
        self.params = params
        self._sums: dict[str, torch.Tensor] = {}  # of each number its sum and its count, over micro-batches
        self._steps: list[dict[str, float]] = []
        self.has_gradient = False
        padding = int(tokenizer.pad_token_id)
        on_gpu = args.device.type == "cuda"
        multiple = row_multiple(on_card=on_gpu)
        collator = Collator(objective.row, params.layout, padding, multiple, hidden_is_free=on_gpu)
        # Before adapters: PEFT wraps a head that `modules_to_save` names.
        add_label_head(policy)
        policy = add_adapters(policy, params, args)
        freeze_other_parts(base_of(policy))
        super().__init__(
            model=policy,
            args=args,
            data_collator=collator,
            train_dataset=rows,
            eval_dataset=validation,
            processing_class=tokenizer,
        )
        check_adapters_of(self.model)
        if self.is_world_process_zero():
            report_half_precision(self.model)
        self.before_training: list[Callable[[], None]] = []
        self.add_callback(_Hooks(self))
        self.data_collator = replace(collator, layout=self._prepare(longest))

    def _prepare(self, longest: int) -> Layout:
        """Give the model the attention of its layout, try it, and return a layout that is exact for its pairs."""
        layout = self.params.layout
        if self.args.n_gpu > 1:
            raise ConfigError(
                f"{self.args.n_gpu} GPUs and one process: rows cannot be split without their labels; start one process "
                "per GPU with `accelerate launch`, or set CUDA_VISIBLE_DEVICES to one"
            )
        keep_output_precision(self.accelerator.state)
        base = base_of(self.model)
        if self.args.activation_checkpointing and not base.supports_gradient_checkpointing:
            raise ConfigError(
                f"params.yaml: training.gradient_checkpointing: {base.config.model_type} has none; set it to false"
            )
        # Sharded weights are whole in no process, so they are tried once they are prepared.
        if is_sharded():
            if layout == "fork":
                choose_attention(base, longest)
            rounded = torch.bfloat16 if self.args.bf16 else None
            self.before_training.append(lambda: check_parity(self.model, layout, longest, self.model_wrapped, rounded))
            return layout
        layout = exact_layout(self.model, layout, longest)
        if layout == "fork":
            self._skip_hidden(base, longest)
        return layout

    def _skip_hidden(self, base: PreTrainedModel, longest: int) -> None:
        """Let float32 weights under autocast attend by flex attention, which skips the hidden part of a mask.

        Their queries stay in float32, whose kernel does not fit a card, so they are cast.
        """
        own = base.config._attn_implementation  # noqa: SLF001 - transformers offers no other way to ask
        if own != "sdpa" or not (self.args.bf16 and self.args.device.type == "cuda" and base._supports_flex_attn):  # noqa: SLF001
            return
        # The masks were exact with sdpa, so this compares the kernel alone.
        base.set_attn_implementation(FLEX_IN_AUTOCAST)
        try:
            with self.accelerator.autocast():
                check_parity(self.model, "fork", longest, dtype=torch.bfloat16)
        except (ConfigError, ModelError) as error:
            logger.warning("attention: sdpa instead of flex_attention, which is faster: %s", error)
            base.set_attn_implementation(own)

    def train(self, resume_from_checkpoint: str | None = None, *args: Any, **kwargs: Any) -> Any:
        """Train without the model's own noise, which would separate the policy from its reference."""
        with silent(self.model):
            return super().train(resume_from_checkpoint, *args, **kwargs)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Save a checkpoint, and mark it as whole after every process has written its part."""
        super()._save_checkpoint(model, trial)
        self.accelerator.wait_for_everyone()
        if self.args.should_save:
            mark_whole(Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}")

    def load_weights(self, checkpoint: Path) -> None:
        """Replace the trained weights by a checkpoint's, however they are sharded."""
        self.state.best_model_checkpoint = str(checkpoint)
        self._load_best_model()

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

        The NLL is of all rows, programs alone among them; these have no preference term, and the mean passes them over.

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
        # `counts` are this micro-batch's numbers, `shares` its part of the whole batch.
        count = Counts(*counts)
        share = Counts(*shares)
        # The paper's NLL is a mean over programs, the authors' code's a mean over tokens.
        share_of_nll, count_of_nll = share.rows, count.rows
        if self.params.nll == "mean":
            share_of_nll, count_of_nll = share.nll_tokens, count.nll_tokens

        logps = batch_logps(model, inputs, self.model.config)
        # A shape is known without waiting for the card.
        rows = len(inputs["counts"])
        nll = nll_loss(logps, inputs["w_nll"], self.params.nll, rows)
        self._count("nll", nll * count_of_nll, count_of_nll)
        alpha, beta, row = self._objective.alpha, self._objective.beta, self._objective.row
        if not row.preference:
            return alpha * nll * share_of_nll
        chosen, rejected, losses = preference_losses(logps, inputs, row, beta, rows, self.params.label_smoothing)
        # Of a program alone K+ and K- are 0, whose loss would be log 2.
        losses = losses * Counts(*inputs["counts"].unbind(dim=1)).pairs
        # The rewards of a pair are beta K+ and beta K-.
        of_pairs = {
            "preference": losses,
            "rewards/chosen": beta * chosen,
            "rewards/rejected": beta * rejected,
            "rewards/margins": beta * (chosen - rejected),
            "rewards/accuracies": (chosen > rejected).float(),
        }
        for name, values in of_pairs.items():
            self._count(name, values.sum(), count.pairs)
        self._count("focal_fraction", count.rejected_counted, count.rejected_tokens)
        preference = losses.sum() / count.pairs.clamp(min=1) * share.pairs
        # Without this test an alpha of 0 would turn an NLL of infinity into a loss that is not a number.
        return preference if alpha == 0 else preference + alpha * nll * share_of_nll

    def _count(self, name: str, total: torch.Tensor, count: torch.Tensor) -> None:
        """Add to the sum and the count of a number, whose mean is logged."""
        item = torch.stack([total.detach().float(), count.float()])
        self._sums[name] = self._sums[name] + item if name in self._sums else item

    def _take_means(self) -> dict[str, float]:
        """Return the means over all that was computed since the last call, in all processes, and their `loss`."""
        sums = torch.stack(list(self._sums.values()))
        # One exchange for all numbers: rows of (sum, count).
        of_all_processes = self.accelerator.reduce(sums, "sum").tolist()
        means = {}
        for name, (total, count) in zip(self._sums, of_all_processes, strict=True):
            if count:
                means[name] = total / count
        self._sums.clear()
        loss = means.pop("preference", 0.0)
        if self._objective.alpha:
            loss += self._objective.alpha * means["nll"]
        return {"loss": loss, **means}

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        """Return the norm of a whole gradient, after a look at the step, which has not updated any weight yet.

        Raises:
            DivergedError: something is not finite, no weight has a gradient, or the margin exceeds its limit.
        """
        # transformers calls this before each optimizer step, with clipping or without.
        norm = super()._get_grad_norm(model, grad_norm)
        means = self._take_means()
        step = self.state.global_step + 1
        margin = means.get("rewards/margins", 0.0)
        gradient = float(norm)
        for reason, value in (("loss", means.pop("loss")), ("gradient", gradient)):
            if not math.isfinite(value):
                raise DivergedError(reason, step, value)
        self.has_gradient = self.has_gradient or gradient > 0
        # An NLL always has a gradient. Without it some batches have neither a gradient nor a margin: of programs alone,
        # of equal programs, of pairs without any weighted token.
        if gradient == 0 and (self._objective.alpha or margin):
            raise DivergedError("gradient", step, 0.0)
        if self.params.max_margin and margin > self.params.max_margin:
            raise DivergedError("margin", step, margin)
        self._steps.append(means)
        return norm

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log, with the means of the steps since the last time."""
        # A line of the training loss takes the means of all steps since the line before.
        if "loss" in logs:  # and no line of a validation between two of these
            for name in dict.fromkeys(chain.from_iterable(self._steps)):
                of_steps = [step[name] for step in self._steps if name in step]
                logs[name] = sum(of_steps) / len(of_steps)
            self._steps.clear()
        super().log(logs, start_time)

    def get_eval_dataloader(self, eval_dataset: Any = None) -> DataLoader[Batch]:
        """Return this process's batches of validation pairs, each of micro-batch size or up to twice that.

        Every process has equally many, and no pair is in two.
        """
        rows = self.eval_dataset if eval_dataset is None else eval_dataset
        # 11 pairs, two processes, batches of 2: each process has 11 // 4 = 2 batches, so there are 4 in all, which end
        # at the pairs 2, 5, 8 and 11. The first process takes the first and the third of them.
        processes = self.accelerator.num_processes
        pairs = len(rows)
        batches = max(1, pairs // (processes * self.args.per_device_eval_batch_size)) * processes
        numbers = range(self.accelerator.process_index, batches, processes)
        batches_here = [list(range(pairs * number // batches, pairs * (number + 1) // batches)) for number in numbers]
        return DataLoader(rows, batch_sampler=batches_here, collate_fn=self.data_collator)

    def prediction_step(self, model: Any, inputs: Batch, *_: Any, **__: Any) -> tuple[None, None, None]:
        """Add a validation batch to the means; transformers would add up a loss that ignores the number of pairs."""
        with torch.no_grad(), self.compute_loss_context_manager():
            self.compute_loss(model, self._prepare_inputs(inputs))
        return None, None, None

    def evaluation_loop(self, *args: Any, metric_key_prefix: str = "eval", **kwargs: Any) -> Any:
        """Return loss, NLL and rewards of the validation pairs, the same however they are spread over processes.

        Raises:
            DivergedError: the loss is not finite.
        """
        # `prediction_step` returns no losses, so the loop leaves the means to the next line.
        output = super().evaluation_loop(*args, metric_key_prefix=metric_key_prefix, **kwargs)
        means = self._take_means()
        if not math.isfinite(means["loss"]):
            raise DivergedError("validation_loss", self.state.global_step, means["loss"])
        output.metrics.update({f"{metric_key_prefix}_{name}": value for name, value in means.items()})
        return output


class _Hooks(TrainerCallback):
    """Calls a trainer before training, ends it, and gives freed memory back after micro-batches, since shapes differ.

    Whether training ends is read off the trainer's state, so that a training that was killed ends at the same step.
    """

    def __init__(self, trainer: FocalTrainer) -> None:
        self._trainer = trainer
        self._freed_memory = FreedMemory()

    def on_train_begin(self, _args: Any, state: TrainerState, *_: Any, **__: Any) -> None:
        """Do the work that needs the model as it is prepared for training, and sharded if it is to be.

        Raises:
            EndedError: all steps are done: the loop would make one more if the last is in the middle of an epoch.
        """
        if state.global_step >= state.max_steps:
            raise EndedError
        for work in self._trainer.before_training:
            work()

    def on_epoch_end(self, _args: Any, state: TrainerState, *_: Any, **__: Any) -> None:
        """End where every row was seen, and none has a gradient.

        Raises:
            TrainingError: the model learns from no row.
        """
        if not (self._trainer.has_gradient or any(entry.get("grad_norm") for entry in state.log_history)):
            raise TrainingError(
                "the gradient is 0 in every step, so that nothing is learned: both programs of each pair have the same "
                "tokens, none of these counts, or what is trained (training.lora) has no effect; see `iterpref check`"
            )

    def on_evaluate(self, _args: Any, state: TrainerState, *_: Any, **__: Any) -> None:
        """End where the patience is over."""
        if is_patience_over(state.log_history, self._trainer.params.early_stopping_patience):
            raise EndedError

    def on_step_end(self, args: TrainingArguments, *_: Any, **__: Any) -> None:
        """Look after a micro-batch, whether it ends a step or not."""
        self._freed_memory.after_pass(args.device)

    on_substep_end = on_step_end


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
    params: TrainingParams,
    args: TrainingArguments,
) -> PreTrainedModel | PeftModel:
    """Return the model with fresh adapters, as TRL adds them; as it is where it has some, or none are to be trained."""
    set_seed(args.seed)  # adapters are drawn
    # ZeRO-3 has its own rules for adapters, in precision and in checkpointing.
    zero3 = args.deepspeed_plugin is not None and args.deepspeed_plugin.zero_stage == 3
    config = lora_config(params)
    if config is not None and not isinstance(model, PeftModel):
        # ZeRO-3 gathers weights of one precision at a time, so its adapters are not widened to float32.
        model = get_peft_model(model, config, autocast_adapter_dtype=not zero3)
    checkpointing = args.activation_checkpointing
    if isinstance(model, PeftModel) and checkpointing:
        model.enable_input_require_grads()
        if zero3:  # its hooks see no recomputation of the other kind
            args.activation_checkpointing_kwargs = {"use_reentrant": True}
    return model
