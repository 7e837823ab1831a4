"""Label-only language-model head: no logits where nothing is predicted, and never all logits at once.

A batch asks for M labels. Plain training builds (positions, vocabulary) logits, which for a vocabulary of 150,000 are
most of its memory. Here the decoder runs as ever, the M hidden states that a label belongs to are picked out, and the
projection goes over the vocabulary in chunks: forward keeps one log-sum-exp per label, backward computes each chunk
again.

The model is called through its own forward, and the head through its own `__call__`, so that their wrappers (PEFT,
DDP, FSDP2's and ZeRO-3's hooks that gather weights) does its part.
"""

import functools
from dataclasses import dataclass
from typing import Any

import torch
from peft import PeftModel
from torch.nn.functional import linear
from transformers import PreTrainedConfig, PreTrainedModel

from iterpref_core.records.errors import ModelError
from iterpref_core.training.data.batches import Batch
from iterpref_core.training.model.attention import attention_mask

CHUNK = 8192
"""Entries of the vocabulary that are scored at once: 5% of Qwen2.5's, and still a matrix product worth its call."""


@dataclass(frozen=True)
class LogitTransform:
    """A transform of the head's output: z -> cap tanh(scale z / cap), or scale z without a cap.

    Gemma 2 has a cap (arXiv 2408.00118, section 2), Cohere and Granite a scale.
    """

    scale: float = 1.0
    cap: float | None = None

    def apply(self, raw: torch.Tensor) -> torch.Tensor:
        """Return logits, from the head's output."""
        scaled = raw if self.scale == 1 else raw * self.scale
        return scaled if self.cap is None else self.cap * torch.tanh(scaled / self.cap)

    def pull_back_(self, gradient: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        """Turn the gradient for the logits, in place, into that for the head's output."""
        if self.cap is not None:
            gradient *= 1 - (logits / self.cap) ** 2
        return gradient if self.scale == 1 else gradient.mul_(self.scale)


def logit_transform(config: PreTrainedConfig) -> LogitTransform:
    """Return the transform that a model of this configuration applies; `parity` finds an unknown one."""
    text = config.get_text_config()
    scale = getattr(text, "logit_scale", None)
    scaling = getattr(text, "logits_scaling", None)
    if scale is None and scaling is not None:
        scale = scaling if text.model_type == "hyperclovax" else 1 / scaling
    caps = (
        "final_logit_softcapping",
        "logits_soft_cap",
        "output_logit_soft_cap",
    )
    cap = next(
        (cap for name in caps if (cap := getattr(text, name, None)) is not None),
        None,
    )
    return LogitTransform(1.0 if scale is None else scale, cap)


def decoder_of(model: PreTrainedModel) -> torch.nn.Module:
    """Return the model without its head, whose output is the last hidden states."""
    base: torch.nn.Module = model.base_model
    return model.get_submodule("model") if base is model else base  # Llama4ForCausalLM misnames its own part


class LabelLogps(torch.autograd.Function):
    """log softmax(transform(hidden @ weight.T + bias))[targets], chunk by chunk of the vocabulary.

    Shapes: hidden (M, H), weight (V, H), bias (V,) or None, targets (M,) token ids. The result is (M,), in nats and at
    least float32, under autocast too.
    """

    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        targets: torch.Tensor,
        transform: LogitTransform,
    ) -> torch.Tensor:
        """Return log-probabilities, and keep one log-sum-exp for each label."""
        # A vocabulary of six with logits 0 1 2 3 4 5, chunks of two, and the target 3:
        #
        #   chunk        0 1    2 3    4 5
        #   of_target      0      3      3     the target's logit, once its chunk came
        #   total       1.31   3.44   5.46     log-sum-exp of all chunks up to here
        #
        # The log-probability is 3 - 5.46 = -2.46. No more than two logits of a label exist at one time.
        kind = hidden.device.type
        if torch.is_autocast_enabled(kind):
            hidden = hidden.to(torch.get_autocast_dtype(kind))
        precise = torch.promote_types(hidden.dtype, torch.float32)
        total = torch.full(targets.shape, -torch.inf, dtype=precise, device=hidden.device)
        of_target = torch.zeros_like(total)
        for start in range(0, len(weight), CHUNK):
            logits, _ = _chunk_logits(hidden, weight, bias, start, transform)
            here = (targets >= start) & (targets < start + logits.shape[1])
            column = (targets - start).clamp(0, logits.shape[1] - 1)
            picked = logits.gather(1, column[:, None])[:, 0]
            of_target = torch.where(here, picked, of_target)
            total = torch.logaddexp(total, logits.logsumexp(dim=1))
        ctx.save_for_backward(hidden, weight, bias, targets, total)
        ctx.transform = transform
        return of_target - total

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Return the gradients of hidden states, weight and bias.

        The derivative of log p(y) for logit k is [k = y] - p_k.
        """
        # In the example of `forward` the second chunk computes its logits 2 and 3 again. With the kept total of 5.46
        # they give p = 0.03 and 0.09, so the flow is -0.03 and 1 - 0.09. It goes through the two rows of the weight at
        # once, and the chunk is forgotten.
        hidden, weight, bias, targets, total = ctx.saved_tensors
        needs_hidden, needs_weight, needs_bias, *_ = ctx.needs_input_grad
        of_hidden = torch.zeros_like(hidden, dtype=total.dtype) if needs_hidden else None
        of_weight = torch.zeros_like(weight) if needs_weight else None
        of_bias = torch.zeros_like(bias, dtype=weight.dtype) if bias is not None and needs_bias else None
        rows = torch.arange(len(targets), device=targets.device)
        for start in range(0, len(weight), CHUNK):
            logits, part = _chunk_logits(hidden, weight, bias, start, ctx.transform)
            end = start + logits.shape[1]
            flow = (logits - total[:, None]).exp_().mul_(-gradient[:, None])
            here = (targets >= start) & (targets < end)
            # Labels whose target is in another chunk add 0 to the nearest logit of this one.
            column = (targets - start).clamp(0, end - start - 1)
            flow.index_put_((rows, column), gradient.where(here, 0.0), accumulate=True)
            flow = ctx.transform.pull_back_(flow, logits).to(hidden.dtype)
            if of_hidden is not None:
                of_hidden += flow @ part
            if of_weight is not None:
                of_weight[start:end] = flow.T @ hidden
            if of_bias is not None:
                of_bias[start:end] = flow.sum(dim=0)
        return of_hidden, of_weight, of_bias, None, None


def _chunk_logits(
    hidden: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    start: int,
    transform: LogitTransform,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a chunk's logits, at least float32, and its rows of the weight in the precision of `hidden`."""
    rows = slice(start, start + CHUNK)
    part = weight[rows].to(hidden.dtype)
    offset = None if bias is None else bias[rows].to(hidden.dtype)
    # Both are in the precision of `hidden` already, so autocast has nothing to choose.
    with torch.autocast(hidden.device.type, enabled=False):
        raw = linear(hidden, part, offset)
    precise = torch.promote_types(hidden.dtype, torch.float32)
    return transform.apply(raw.to(precise)), part


def batch_logps(model: Any, batch: Batch, config: PreTrainedConfig) -> torch.Tensor:
    """Return the log-probability of each of a batch's labels, (M,).

    Args:
        model: with a label head, as it is wrapped for training.
        batch: from a collator.
        config: of the model itself, whose attention decides the form of the mask.
    """
    attention: str = config._attn_implementation  # noqa: SLF001 - transformers offers no other way to ask
    return model(  # type: ignore[no-any-return]
        input_ids=batch["input_ids"],
        position_ids=batch["position_ids"],
        attention_mask=attention_mask(batch["visible"], attention) if "visible" in batch else batch["attention_mask"],
        label_positions=batch["label_positions"],
        label_targets=batch["labels"],
        use_cache=False,
    )


class LabelLinear(torch.nn.Linear):
    """An output head that returns logits, or log-probabilities of labels."""

    def forward(
        self,
        hidden: torch.Tensor,
        targets: torch.Tensor | None = None,
        transform: LogitTransform | None = None,
    ) -> torch.Tensor:
        """Return logits, (M, V), or with targets, (M,), their log-probabilities, (M,), in nats."""
        if targets is None:
            return linear(hidden, self.weight, self.bias)
        logps: torch.Tensor = LabelLogps.apply(hidden, self.weight, self.bias, targets, transform)
        return logps


class LabelHead:
    """A part of a model's class, which teaches the model to return log-probabilities of labels.

    Attributes:
        plain: the model's own class.
    """

    plain: type[PreTrainedModel]

    def __reduce_ex__(self, _: Any) -> Any:
        """Return how a copy is made: the class of such a model has no name that pickle could look up."""
        return _new_model, (self.plain,), self.__dict__


def _new_model(plain: Any) -> Any:
    kind = _with_label_head(plain)
    return kind.__new__(kind)


@functools.cache
def _with_label_head(plain: Any) -> Any:
    """Return a class of models as `plain`, of the same name, whose forward takes labels."""

    @functools.wraps(plain.forward)  # generate() reads the signature
    def forward(
        self: PreTrainedModel,
        *args: Any,
        label_positions: torch.Tensor | None = None,
        label_targets: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> Any:
        if label_positions is None or label_targets is None:
            return plain.forward(self, *args, **kwargs)
        hidden = decoder_of(self)(*args, **kwargs).last_hidden_state.flatten(0, 1)[label_positions]
        return self.get_output_embeddings()(hidden, label_targets, logit_transform(self.config))

    members = {"forward": forward, "plain": plain, "__module__": plain.__module__}
    return type(plain.__name__, (LabelHead, plain), members)


def base_of(model: PreTrainedModel | PeftModel) -> PreTrainedModel:
    """Return the model below adapters, or the model itself."""
    base: PreTrainedModel = model.get_base_model() if isinstance(model, PeftModel) else model
    return base


def add_label_head(model: PreTrainedModel | PeftModel) -> None:
    """Teach a model to return log-probabilities of labels.

    Afterwards `model(..., label_positions=positions, label_targets=targets)` gives the (M,) log-probabilities, in nats
    and at least float32, of `targets` (M,) at `positions` (M,), which count through all rows of the batch. Any other
    call is as before, and a model that has the head already stays as it is. Weights, their names and saved files
    stay as they are. Model and head get other classes, so that copies of them, pickled ones too, are their own.

    Args:
        model: a causal language model, or one with adapters, below which the head is.

    Raises:
        ModelError: it has no output head, or one that is no plain matrix.
    """
    base = base_of(model)
    if isinstance(base, LabelHead):
        return
    head = base.get_output_embeddings()
    if type(head) is not torch.nn.Linear:  # FSDP2 makes it a class of its own later
        raise ModelError(
            f"{base.config.model_type}: its output head is a {type(head).__name__}, no plain matrix; leave it out of "
            "adapters and quantization"
        )
    head.__class__ = LabelLinear
    plain: Any = type(base)
    base.__class__ = _with_label_head(plain)
