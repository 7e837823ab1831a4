"""Estimate peak memory and hours of a training by plain formulas, of the model's weights and the pairs' tokens.

A token costs 2 FLOPs a weight forward and 4 backward, and 2 more where the pass is computed again (arXiv 2001.08361,
section 2.1; attention, a few percent, is left out). Below adapters the weights have no gradient, which spares 2. The
reference is scored by the same weights, without gradients, and therefore takes less memory.

A training holds weights, gradients, two numbers of AdamW a weight (arXiv 1910.02054, section 3.1), and what a pass
keeps for its backward (arXiv 2205.05198): `_KEPT_WIDTHS`.

On a CPU the libraries come on top, and freed memory that is kept for the next micro-batch (`freed_memory`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from heapq import nlargest
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from transformers import PreTrainedConfig, PreTrainedModel

from iterpref_core.models.pretrained.freed_memory import KEPT_BYTES
from iterpref_core.models.pretrained.weights import empty_model
from iterpref_core.records import Layout, Objective, TrainingParams

from .data.batches import PAD_TO_MULTIPLE_OF, Collator
from .data.steps import accumulation_steps, training_steps
from .data.tokenized_pair import TokenizedPair
from .model.policy import freeze_other_parts, lora_config
from .model.unseen import against_fork

MARGIN = 0.1
"""Share of a card's memory that is left to CUDA, the allocator's fragments and communication."""
MFU = 0.4
"""Share of a card's peak that training reaches (PaLM, arXiv 2204.02311, appendix B): a guess until it is measured."""
BYTES_PER_WEIGHT = {"8bit": 1.0, "4bit": 0.5 + 1 / 64 + 4 / (64 * 256)}
"""Four bits: 8 bits for each 64 weights, and 32 bits for each 256 of these constants (arXiv 2305.14314)."""
_MOMENTS_8BIT = 2 * (1 + 4 / 256)
"""Bytes of an 8-bit optimizer for a weight: two numbers of 8 bits, and 32 bits for each 256 (arXiv 2110.02861)."""
_KEPT_WIDTHS = 10
"""A layer keeps so many numbers a position and hidden unit, beside 4/3 of its weights by its hidden size.

Of a Llama with the hidden size h and the intermediate size i these are 4 i + 15 h, which fits the tensors of steps of
Qwen2.5 from 0.5B to 7B. Selective checkpointing keeps half of them, full checkpointing the layer's input alone. For a
layer's backward come its gradients, twice as much, and where it is checkpointed the layer itself.
"""
_LIBRARIES_BYTES = 565 * 2**20
"""Memory of a process before it loads a model, measured on Linux (docs/training-settings.md)."""
_SAMPLE = 512
"""The tokens of all pairs are estimated by this many of them."""


@dataclass(frozen=True)
class Gpu:
    """Bytes of memory and dense bfloat16 FLOP/s, by the vendor's data sheet."""

    name: str
    memory: float
    flops: float


CARDS = (
    Gpu("H200", 141e9, 989e12),
    Gpu("H100", 80e9, 989e12),
    Gpu("A100", 80e9, 312e12),
)


@dataclass(frozen=True)
class Estimate:
    """The needs of a training. Bytes are per card: sharded state, and one micro-batch's tensors.

    `layout` is `padded` where some layer sees less than a whole pair, else the one asked for. `bf16`: the precision was
    bfloat16, as which `training.bf16: auto` counts.
    """

    layout: Layout
    bf16: bool
    parameters: int
    trained: int
    gpus: int
    steps: int
    state_bytes: int
    batch_bytes: int
    gathered_bytes: int
    flops: float

    @property
    def peak_bytes(self) -> int:
        """Return the bytes of weights, gradients, optimizer, a micro-batch, and the layer that sharding gathers."""
        return self.state_bytes + self.batch_bytes + self.gathered_bytes

    @property
    def cpu_bytes(self) -> int:
        """Return the bytes of a process that trains on a CPU: with libraries, and the freed memory that it keeps."""
        return self.peak_bytes + _LIBRARIES_BYTES + KEPT_BYTES

    def fits(self, card: Gpu) -> bool:
        """Return whether the peak leaves `MARGIN` of the card free."""
        return self.peak_bytes <= (1 - MARGIN) * card.memory

    def hours(self, card: Gpu) -> float:
        """Return the hours that all cards work together."""
        return self.flops / (card.flops * MFU * self.gpus) / 3600


def estimate_training(
    config: PreTrainedConfig,
    rows: Sequence[TokenizedPair],
    objective: Objective,
    params: TrainingParams,
    *,
    gpus: int = 1,
    adapters: LoraConfig | None = None,
) -> Estimate:
    """Count the memory and the hours that a training takes.

    Args:
        config: the model's.
        rows: tokenized pairs; the longest decide the peak, and a sample the hours.
        objective: the row of the table.
        params: settings.
        gpus: cards that share weights, gradients and optimizer state, and split every batch.
        adapters: options of the model's own adapters; None: `training.lora`.

    Raises:
        ConfigError: the batch cannot be split among the cards.
    """
    accumulation_steps(params, gpus)
    rows = [row for row in rows if row.is_pair or objective.replays]
    # The micro-batch of the longest pairs decides the peak.
    longest = nlargest(params.micro_batch_size, rows, key=lambda row: row.length)
    layout: Layout = "padded" if against_fork(config, longest[0].length) else params.layout
    collate = Collator(objective, layout, 0, PAD_TO_MULTIPLE_OF, unscored=True)
    batch = collate(longest)
    positions = batch["input_ids"].numel()
    plain = empty_model(config, _held_dtype(config, params))
    freeze_other_parts(plain)
    parameters = plain.num_parameters()
    active = _active_weights(plain)
    batch_bytes = _batch_bytes(plain, params, positions, active)
    saved_bytes, matrix_bytes = _quantization(plain, params.load)
    parts = (*_layers(plain), plain.get_output_embeddings())
    largest_bytes = max(sum(weight.nbytes for weight in part.parameters()) for part in parts)
    # The head computes the positions alone that have a label.
    active += plain.get_output_embeddings().weight.numel() * len(batch["labels"]) // positions
    model: Any = plain
    if params.lora is not None:
        with torch.device("meta"):
            model = get_peft_model(plain, adapters or lora_config(params))
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    # Weights, gradients, and the optimizer's two numbers of each trained weight.
    state_bytes = sum(weight.nbytes for weight in (*model.parameters(), *trained))
    optimizer = str(params.arguments.get("optim"))
    if "8bit" in optimizer:
        state_bytes += sum(round(weight.numel() * _MOMENTS_8BIT) for weight in trained)
    elif optimizer not in ("sgd", "adafactor"):  # which keep no number of each weight
        state_bytes += sum(2 * weight.nbytes for weight in trained)

    steps = training_steps(params, len(rows))
    limited = params.arguments.get("max_steps", -1) > 0
    epochs = steps * params.batch_size / len(rows) if limited else params.epochs
    passes = (3 if params.lora is None else 2) + (params.gradient_checkpointing is True)
    sample = rows[:: len(rows) // _SAMPLE + 1]
    alone = replace(collate, pad_to_multiple_of=1)
    computed = sum(passes * epochs * alone([row])["input_ids"].numel() for row in sample)
    if objective.preference:  # the reference reads the pairs once
        score = alone.of_every_token()
        computed += sum(score([row])["input_ids"].numel() for row in sample if row.is_pair)
    return Estimate(
        layout=layout,
        bf16=params.bf16 is not False,
        parameters=parameters,
        trained=sum(weight.numel() for weight in trained),
        gpus=gpus,
        steps=steps,
        state_bytes=(state_bytes - saved_bytes) // gpus,
        batch_bytes=batch_bytes + matrix_bytes,
        gathered_bytes=3 * largest_bytes if gpus > 1 else 0,
        flops=2.0 * active * computed * len(rows) / len(sample),
    )


def _quantization(plain: PreTrainedModel, load: str) -> tuple[int, int]:
    """Return the bytes that quantizing saves, and the bytes of the largest matrix, which a product makes whole."""
    if load not in BYTES_PER_WEIGHT:
        return 0, 0
    head = plain.get_output_embeddings()
    matrices = [layer.weight for layer in plain.modules() if type(layer) is torch.nn.Linear and layer is not head]
    # Each matrix is held in `load` bits, and was counted in its plain precision.
    loaded = sum(round(weight.numel() * BYTES_PER_WEIGHT[load]) for weight in matrices)
    sizes = [weight.nbytes for weight in matrices]
    return sum(sizes) - loaded, max(sizes)


def _layers(plain: Any) -> torch.nn.ModuleList:
    lists = [module for module in plain.get_decoder().modules() if isinstance(module, torch.nn.ModuleList)]
    return max(lists, key=lambda part: sum(weight.numel() for weight in part.parameters()))


def _active_weights(plain: Any) -> int:
    """Return the weights of the layers that compute a token, without the experts that it is not given to."""
    chosen: int | None = getattr(plain.config.get_text_config(), "num_experts_per_tok", None)
    active = 0
    for name, weight in _layers(plain).named_parameters():
        # The experts of a layer are one tensor, (experts, …, …).
        in_experts = chosen is not None and "experts" in name and weight.ndim == 3
        active += weight[:chosen].numel() if in_experts else weight.numel()
    return active


def _batch_bytes(plain: Any, params: TrainingParams, positions: int, active: int) -> int:
    """Return the bytes of a micro-batch's tensors, and of what is made of the weights for it."""
    head: torch.Tensor = plain.get_output_embeddings().weight
    hidden = head.shape[1]
    layers = len(_layers(plain))
    computed = 4 if params.bf16 is False else 2
    layer = positions * computed * (4 / 3 * active / layers / hidden + _KEPT_WIDTHS * hidden)
    again = params.gradient_checkpointing is True
    kept = positions * head.itemsize * hidden if again else layer / (1 + bool(params.gradient_checkpointing))
    # The peak is in the backward of a layer, or of the head, whose gradient is added up in float32.
    highest = layer * (2 + again)
    if params.lora is None:
        highest = max(highest, head.numel() * (4 + head.itemsize))
        if computed < head.itemsize:  # weights in float32 have a rounded copy while they compute
            highest += computed * plain.num_parameters()
    return int(layers * kept + highest)


def _held_dtype(config: PreTrainedConfig, params: TrainingParams) -> torch.dtype:
    """Return the precision of weights that are not quantized, as `policy.load_policy` loads them."""
    if params.load == "bf16":
        return torch.bfloat16
    if params.load in BYTES_PER_WEIGHT:
        return torch.float32 if params.bf16 is False else torch.bfloat16
    saved = config.dtype if isinstance(config.dtype, torch.dtype) else torch.float32
    return torch.float32 if params.lora is None else saved
