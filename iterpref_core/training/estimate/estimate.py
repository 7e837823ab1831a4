"""Estimate peak memory and hours of a training, counted on the model itself without its memory.

A model is made with PyTorch's fake tensors, which have shapes and no numbers, and a micro-batch of the longest pairs
is computed with it as training does, forward and backward. The bytes of its tensors at one time are counted, and so
are the FLOPs. The reference is scored by the same weights, without gradients, and therefore takes less.

On a CPU the libraries come on top, and freed memory that is kept for the next micro-batch (`freed_memory`).
"""

import gc
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, replace
from heapq import nlargest
from random import Random
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode
from transformers import PreTrainedConfig, PreTrainedModel

from iterpref_core.models.pretrained.freed_memory import KEPT_BYTES
from iterpref_core.models.pretrained.weights import empty_model
from iterpref_core.records import Layout, Objective, TrainingParams

from ..data.batches import PAD_TO_MULTIPLE_OF, Batch, Collator, row_multiple
from ..data.steps import accumulation_steps, training_steps
from ..data.tokenized_pair import TokenizedPair
from ..model.label_head import add_label_head, batch_logps
from ..model.policy import checkpointing_options, freeze_other_parts, lora_config
from ..model.reference import TIMES_IN_REFERENCE
from ..model.unseen import against_fork

MARGIN = 0.1
"""Share of a card's memory that is left to CUDA, the allocator's fragments and communication."""
MFU = 0.4
"""Share of a card's peak that training reaches (PaLM, arXiv 2204.02311, appendix B): a guess until it is measured."""
BYTES_PER_WEIGHT = {"8bit": 1.0, "4bit": 0.5 + 1 / 64 + 4 / (64 * 256)}
"""Four bits: 8 bits for each 64 weights, and 32 bits for each 256 of these constants (arXiv 2305.14314)."""
_LIBRARIES_BYTES = 565 * 2**20
"""Memory of a process before it loads a model, measured on Linux (docs/training-settings.md)."""
_SAMPLE = 512
"""The positions of all pairs are estimated by the layout of this many."""


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
    pairs = len(rows)
    size = params.micro_batch_size
    # The micro-batch of the longest pairs decides the peak.
    longest = nlargest(size, rows, key=lambda row: row.length)
    layout: Layout = "padded" if against_fork(config, longest[0].length) else params.layout
    # The hours are of cards, whose attention skips what is hidden; the peak is also a CPU's.
    collate = Collator(objective, layout, 0, row_multiple(on_card=True), hidden_is_free=True, unscored=True)
    batch = replace(collate, pad_to_multiple_of=PAD_TO_MULTIPLE_OF)(longest)
    plain = empty_model(config, _held_dtype(config, params))
    parameters = plain.num_parameters()
    saved_bytes, matrix_bytes = _quantization(plain, params.load)
    gathered_bytes = _largest_gathered_bytes(plain)
    with torch.device("meta"):
        model = _prepare(plain, params, adapters)
    weights = list(model.parameters())
    trained = [weight for weight in weights if weight.requires_grad]
    # Weights, gradients, and the optimizer's two numbers of each trained weight.
    state_bytes = sum(weight.nbytes for weight in weights) + 3 * sum(weight.nbytes for weight in trained)
    # `_count_step` gives the weights a place, so they are counted before.
    trained_count = sum(weight.numel() for weight in trained)
    batch_bytes, flops = _count_step(model, plain, batch, params)

    # The same sample for every call, so that an estimate repeats.
    sample = Random(0).sample(rows, min(_SAMPLE, len(rows)))
    positions_of_pair = _mean_positions(sample, collate, size)
    reference = 0.0
    scored = [row for row in sample if row.is_pair]
    if objective.preference and scored:
        # A forward pass is a third of forward and backward. Programs alone have no reference.
        positions_of_scored = _mean_positions(scored, collate.of_every_token(), TIMES_IN_REFERENCE * size)
        reference = positions_of_scored * len(scored) / len(sample) / 3
    steps = training_steps(params, pairs)
    epochs: float = params.epochs
    if "max_steps" in params.arguments:
        epochs = min(epochs, steps * params.batch_size / pairs)
    flops_of_position = flops / batch["input_ids"].numel()
    return Estimate(
        layout=layout,
        bf16=params.bf16 is not False,
        parameters=parameters,
        trained=trained_count,
        gpus=gpus,
        steps=steps,
        state_bytes=(state_bytes - saved_bytes) // gpus,
        batch_bytes=batch_bytes + matrix_bytes,
        gathered_bytes=3 * gathered_bytes if gpus > 1 else 0,
        flops=flops_of_position * pairs * (positions_of_pair * epochs + reference),
    )


def _mean_positions(sample: Sequence[TokenizedPair], collate: Collator, size: int) -> float:
    """Return the mean positions of a pair in micro-batches of `size` pairs, padding included."""
    positions = 0
    for start in range(0, len(sample), size):
        positions += collate(sample[start : start + size])["input_ids"].numel()
    return positions / len(sample)


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


def _largest_gathered_bytes(plain: PreTrainedModel) -> int:
    """Return the bytes of the largest part that sharding gathers at once: a layer, or the head."""
    lists = [module for module in plain.modules() if isinstance(module, torch.nn.ModuleList)]
    layers = max(lists, key=len, default=torch.nn.ModuleList())
    largest = 0
    for part in (*layers, plain.get_output_embeddings()):
        size = sum(weight.nbytes for weight in part.parameters())
        largest = max(largest, size)
    return largest


def _prepare(plain: PreTrainedModel, params: TrainingParams, adapters: LoraConfig | None) -> Any:
    """Give a model the label head, the checkpointing and the adapters that it is trained with."""
    add_label_head(plain)
    freeze_other_parts(plain)
    if params.gradient_checkpointing:
        options = checkpointing_options(params.gradient_checkpointing)
        plain.activation_checkpointing_enable(activation_checkpointing_kwargs=options)
    if params.lora is None:
        return plain
    model = get_peft_model(plain, adapters or lora_config(params))
    model.enable_input_require_grads()
    return model


def _count_step(model: Any, plain: PreTrainedModel, batch: Batch, params: TrainingParams) -> tuple[int, int]:
    """Count forward and backward of a micro-batch on a model without numbers.

    Args:
        model: with or without adapters.
        plain: the model below adapters.
        batch: the micro-batch.
        params: settings.

    Returns:
        The peak bytes of all tensors but the weights, their gradients and the optimizer's state; and the FLOPs.
    """
    with (
        FakeTensorMode(allow_non_fake_inputs=True),
        torch.autocast("cpu", torch.bfloat16, params.bf16 is not False),
    ):
        # Under the fake mode this makes tensors with a shape and no memory.
        model.to_empty(device="cpu")
        plain.tie_weights()
        inputs = {name: torch.empty(values.shape, dtype=values.dtype) for name, values in batch.items()}
        model.train()
        for weight in model.parameters():
            if weight.requires_grad:  # gradients are counted as state; here each is a tensor for a moment
                weight.register_post_accumulate_grad_hook(_forget_gradient)
        caller_froze = gc.get_freeze_count() > 0
        gc.freeze()  # the collector looks only at objects that are made from here on
        with FlopCounterMode(display=False) as flops, _Live(model) as live:
            batch_logps(model, inputs, plain.config).sum().backward()
        if not caller_froze:
            gc.unfreeze()
    return live.peak, flops.get_total_flops()


def _held_dtype(config: PreTrainedConfig, params: TrainingParams) -> torch.dtype:
    """Return the precision of weights that are not quantized, as `policy.load_policy` loads them."""
    if params.load == "bf16":
        return torch.bfloat16
    if params.load in BYTES_PER_WEIGHT:
        return torch.float32 if params.bf16 is False else torch.bfloat16
    saved = config.dtype if isinstance(config.dtype, torch.dtype) else torch.float32
    return torch.float32 if params.lora is None else saved


def _forget_gradient(weight: torch.Tensor) -> None:
    weight.grad = None


class _Live(TorchDispatchMode):
    """Counts the bytes of all tensors that operations make and that live at one time, without the weights."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.peak = 0
        self._bytes = 0
        self._known = {weight.untyped_storage()._cdata for weight in model.parameters()}  # noqa: SLF001 - a storage's only identity

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        # Two calls of three ask for the device; each would go through two more modes.
        if func is torch.ops.prim.device.default:
            return args[0].fake_device
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if not isinstance(leaf, torch.Tensor):
                continue
            storage = leaf.untyped_storage()
            key = storage._cdata  # noqa: SLF001
            size = storage.nbytes()
            # A view shares its storage, which is counted once.
            if key not in self._known:
                self._known.add(key)
                self._bytes += size
                weakref.finalize(storage, self._forget, key, size)
        if self._bytes > self.peak:
            gc.collect()  # fake tensors hold each other in cycles, as real ones do not
        self.peak = max(self.peak, self._bytes)
        return result

    def _forget(self, key: int, size: int) -> None:
        self._known.discard(key)
        self._bytes -= size
