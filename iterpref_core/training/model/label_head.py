"""Compute log-probabilities of labels without logits elsewhere, and never all logits at once.

A batch asks for M labels. Plain training builds (positions, vocabulary) logits, which for a vocabulary of 150,000 are
most of its memory. Here the decoder runs as ever, the M hidden states that a label belongs to are picked out, and TRL's
kernel projects them over the vocabulary in chunks. The kernel adds chunks up in float32: where each product is rounded
to bfloat16 before, the sum of 19 chunks is off to the same side at every step, and training lowers the entropy by it.

The model is called through its own forward, and the head through its own `__call__`, so that their wrappers (PEFT,
DDP, FSDP2's and ZeRO-3's hooks that gather weights) does its part.
"""

import functools
from typing import Any, cast

import torch
from peft import PeftModel
from torch.nn.functional import linear
from transformers import PreTrainedConfig, PreTrainedModel
from trl.kernels import ChunkedLogProbFunction

from iterpref_core.records import ModelError

from ..data.batches import Batch
from .attention import attention_mask

CHUNK = 8192
"""Entries of the vocabulary that are scored at once: 5% of Qwen2.5's, and still a matrix product worth its call."""

_SCALES = ("logit_scale", "output_multiplier", "lm_head_multiplier")
_CAPS = ("final_logit_softcapping", "logits_soft_cap", "output_logit_soft_cap")


def logit_transform(config: PreTrainedConfig) -> tuple[float, float | None]:
    """Return scale and cap of the logits z that a model of this configuration makes of its head's output.

    A cap makes cap tanh(scale z / cap) of z (Gemma 2, arXiv 2408.00118, section 2), and None leaves scale z (Cohere,
    Granite). `parity` finds a transform that is not known here.
    """
    text = config.get_text_config()
    # Families name the same number differently; each model has one of these at most.
    scales = [getattr(text, name, None) for name in _SCALES]
    caps = [getattr(text, name, None) for name in _CAPS]
    divisor = getattr(text, "logits_scaling", None)
    if divisor is not None:
        scales.append(divisor if text.model_type == "hyperclovax" else 1 / divisor)
    scale = next((scale for scale in scales if scale is not None), 1.0)
    return scale, next((cap for cap in caps if cap is not None), None)


def decoder_of(model: PreTrainedModel) -> torch.nn.Module:
    """Return the model without its head, whose output is the last hidden states."""
    base: torch.nn.Module = model.base_model
    if base is not model:
        return base
    language: Any = cast(Any, model).get_decoder()  # Llama 4's classes misname their own part
    decoder: torch.nn.Module = getattr(language, "model", language)
    return decoder


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
        scale: float = 1.0,
        cap: float | None = None,
    ) -> torch.Tensor:
        """Return logits, (M, V), or with targets, (M,), their log-probabilities, (M,), in float32 nats."""
        if targets is None:
            return linear(hidden, self.weight, self.bias)
        width = min(CHUNK, len(self.weight))
        logps: torch.Tensor = ChunkedLogProbFunction.apply(
            hidden, self.weight, self.bias, targets, 1.0, width, cap, scale, ()
        )[0]
        return logps


class LabelHead:
    """A part of a model's class, which teaches the model to return log-probabilities of labels."""


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
        # (R, N, H) becomes (R * N, H), of which the M positions with a label are kept.
        hidden = decoder_of(self)(*args, **kwargs).last_hidden_state.flatten(0, 1)[label_positions]
        return self.get_output_embeddings()(hidden, label_targets, *logit_transform(self.config))

    members = {"forward": forward, "__module__": plain.__module__}
    return type(plain.__name__, (LabelHead, plain), members)


def base_of(model: PreTrainedModel | PeftModel) -> PreTrainedModel:
    """Return the model below adapters, or the model itself."""
    base: PreTrainedModel = model.get_base_model() if isinstance(model, PeftModel) else model
    return base


def add_label_head(model: PreTrainedModel | PeftModel) -> None:
    """Teach a model to return log-probabilities of labels.

    Afterwards `model(..., label_positions=positions, label_targets=targets)` gives the (M,) log-probabilities, in
    float32 nats, of `targets` (M,) at `positions` (M,), which count through all rows of the batch. Any other
    call is as before, and a model that has the head already stays as it is. Weights, their names and saved files
    stay as they are. Model and head get other classes, so that copies of them are their own.

    Args:
        model: a causal language model, or one with adapters, below which the head is.

    Raises:
        ModelError: it has an encoder, or its output head is missing or not a plain matrix.
    """
    base = base_of(model)
    if isinstance(base, LabelHead):
        return
    if base.config.is_encoder_decoder:
        raise ModelError(f"{base.config.model_type}: has an encoder; train a causal language model")
    own = base.get_output_embeddings()
    # Adapters may have a trained copy of the head (`modules_to_save`), which is then called instead of it.
    for head in getattr(own, "modules_to_save", {"": own}).values():
        if type(head) is not torch.nn.Linear:  # FSDP2 makes it a class of its own later
            raise ModelError(
                f"{base.config.model_type}: its output head is a {type(head).__name__}, no plain matrix; leave it out "
                "of adapters and quantization"
            )
        # The classes are swapped in place: weights, wrappers and hooks stay where they are.
        head.__class__ = LabelLinear
    plain: Any = type(base)
    base.__class__ = _with_label_head(plain)
