"""Training estimate: memory and GPU-hours, before anything is spent.

Everything follows from the model's configuration, the lengths of the pairs and the settings. Activations are what
autograd keeps of transformers' Llama, Qwen2 and StarCoder2 layers, tensor by tensor; the tests count the same on real
modules. What is not modeled: the allocator's fragmentation, CUDA's own context, buffers of communication libraries.
`MARGIN` is left free for them.
"""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from iterpref_core.config import TrainingParams
from iterpref_core.objectives.objectives import Objective
from iterpref_core.training.label_head import CHUNK
from iterpref_core.training.model_shape import ModelShape
from iterpref_core.training.workload import MicroBatch, Workload

PrecisionName = Literal["bf16", "mixed", "autocast", "fp32"]
MARGIN = 0.1
"""Share of a card's memory that is left to what is not modeled."""
_LOGPROB_BYTES = 4


@dataclass(frozen=True)
class Precision:
    """Bytes for every parameter, and for a number in the layers (`compute`) and between them (`residual`).

    `casts`: for every entry of a linear layer, its copy in bf16 that autocast keeps during a step.
    """

    weights: int
    gradients: int
    optimizer: int
    compute: int
    residual: int
    casts: int = 0


PRECISIONS: dict[PrecisionName, Precision] = {
    "bf16": Precision(weights=2, gradients=2, optimizer=4, compute=2, residual=2),
    "mixed": Precision(weights=2, gradients=2, optimizer=12, compute=2, residual=2),
    "autocast": Precision(weights=4, gradients=4, optimizer=8, compute=2, residual=4, casts=2),
    "fp32": Precision(weights=4, gradients=4, optimizer=8, compute=4, residual=4),
}
"""AdamW keeps two moments. `bf16`: all in bf16, as when a checkpoint saved in bf16 is trained as it is. `mixed`: bf16
with weights and moments once more in float32, 16 bytes a parameter (ZeRO, arXiv 1910.02054, section 3.1), as DeepSpeed
and FSDP2 do. `autocast`: float32 weights and bf16 arithmetic."""


@dataclass(frozen=True)
class Accelerator:
    """A card: dense bf16 FLOP/s and bytes of memory, both the vendor's. `reported`: what CUDA calls it."""

    name: str
    flops: float
    memory: float
    reported: str


ACCELERATORS = (
    Accelerator("H200 SXM", 989e12, 141e9, "NVIDIA H200"),
    Accelerator("H100 SXM", 989e12, 80e9, "NVIDIA H100 80GB HBM3"),
    Accelerator("A100 SXM", 312e12, 80e9, "NVIDIA A100-SXM4-80GB"),
)
"""NVIDIA's data sheets: H200 and H100 SXM 1,979 TFLOP/s in bf16 with sparsity, half of that without; A100 312."""


@dataclass(frozen=True)
class Setting:
    """What is chosen besides `params.yaml`.

    `gpus` share weights, gradients and optimizer state (ZeRO-3, FSDP2's full sharding) and split every batch.
    `lora_rank`: 0 trains every parameter; else LoRA on all linear layers of the decoder. `mfu`: model FLOPs
    utilisation, the share of a card's peak that forward and backward make up (PaLM, arXiv 2204.02311, appendix B).
    """

    precision: PrecisionName
    gpus: int = 1
    lora_rank: int = 0
    mfu: float = 0.4


@dataclass(frozen=True)
class Memory:
    """Bytes on each card, by part. `gathered`: what sharding puts together for a moment.

    `reference`: what the pass before training takes instead of gradients, optimizer, activations and head.
    """

    weights: float
    gradients: float
    optimizer: float
    activations: float
    head: float
    gathered: float
    reference: float

    @property
    def total(self) -> float:
        """The peak: of training, or of the reference pass before it."""
        training = self.gradients + self.optimizer + self.activations + self.head
        return self.weights + self.gathered + max(training, self.reference)


@dataclass(frozen=True)
class Flops:
    """Of the whole training. `recompute`: what gradient checkpointing and the head in chunks compute twice."""

    training: float
    recompute: float
    reference: float


@dataclass(frozen=True)
class Estimate:
    """What a training takes."""

    shape: ModelShape
    workload: Workload
    setting: Setting
    steps: int
    trained: int
    memory: Memory
    flops: Flops
    reference_cache: int

    def gpu_hours(self, accelerator: Accelerator) -> float:
        """Hours of one card: all FLOPs but the recomputed ones, which `mfu` leaves out, over what it delivers."""
        return (self.flops.training + self.flops.reference) / (accelerator.flops * self.setting.mfu) / 3600

    def fits(self, accelerator: Accelerator) -> bool:
        """Whether the peak leaves `MARGIN` of the card free."""
        return self.memory.total <= (1 - MARGIN) * accelerator.memory

    def as_dict(self) -> dict[str, Any]:
        """For JSON: bytes, FLOPs and hours."""
        return {
            "model": asdict(self.shape),
            "workload": asdict(self.workload),
            "setting": asdict(self.setting),
            "steps": self.steps,
            "trained_parameters": self.trained,
            "memory_per_gpu": {**asdict(self.memory), "total": self.memory.total},
            "reference_cache_on_disk": self.reference_cache,
            "flops": asdict(self.flops),
            "accelerators": {
                one.name: {
                    "fits": self.fits(one),
                    "gpu_hours": self.gpu_hours(one),
                    "hours": self.gpu_hours(one) / self.setting.gpus,
                }
                for one in ACCELERATORS
            },
        }


def default_precision(shape: ModelShape, params: TrainingParams) -> PrecisionName:
    """What the trainer does with `training.weights`; `training.bf16` is autocast."""
    if shape.saved_in_bf16 and (params.weights == "saved" or params.lora_rank):
        return "bf16"
    return "autocast" if params.bf16 else "fp32"


def estimate_training(
    shape: ModelShape,
    workload: Workload,
    objective: Objective,
    params: TrainingParams,
    setting: Setting,
    total_pairs: int | None = None,
) -> Estimate:
    """Memory by part, FLOPs and hours.

    Args:
        shape: the model's sizes.
        workload: one epoch of the pairs at hand.
        objective: whether there is a reference to score.
        params: epochs, batch, layout, gradient checkpointing.
        setting: precision, cards, LoRA.
        total_pairs: how many pairs there will be, if those at hand are a sample of them.
    """
    factor = 1.0 if total_pairs is None else total_pairs / workload.pairs
    pairs = total_pairs or workload.pairs
    return Estimate(
        shape=shape,
        workload=workload,
        setting=setting,
        steps=-(-pairs // params.batch_size) * params.epochs,
        trained=setting.lora_rank * shape.adapter or shape.parameters,
        memory=estimate_memory(shape, workload, params, setting),
        flops=_scale(estimate_flops(shape, workload, params, setting), params.epochs * factor, factor),
        reference_cache=round(_LOGPROB_BYTES * workload.programs * factor) if objective.preference else 0,
    )


def estimate_memory(shape: ModelShape, workload: Workload, params: TrainingParams, setting: Setting) -> Memory:
    """Bytes on each card.

    Weights, gradients and optimizer state: bytes a parameter times parameters, over the cards (ZeRO-3, arXiv
    1910.02054, section 5). Sharded, a card gathers the layer it computes, the next one and the output head, and holds
    the gradients of a layer and of the head before it hands them on. On one card a micro-batch's gradient of the head
    stands beside the accumulated one for a moment; if it is the embeddings too, until theirs is there as well.
    """
    precision = PRECISIONS[setting.precision]
    adapters = setting.lora_rank * shape.adapter
    trained = adapters or shape.parameters
    weights = precision.weights * (shape.parameters + adapters) / setting.gpus
    head = shape.vocabulary * shape.hidden
    fresh = 0 if adapters or setting.gpus > 1 else precision.gradients * head * (2 if shape.tied else 1)
    gathered = precision.compute * (3 * shape.layer + 2 * head) if setting.gpus > 1 else 0
    return Memory(
        weights=weights + (precision.casts * shape.matrices / setting.gpus),
        gradients=precision.gradients * trained / setting.gpus,
        optimizer=precision.optimizer * trained / setting.gpus,
        activations=activation_bytes(shape, precision, workload.largest, params),
        head=head_bytes(shape, precision, workload.largest) + fresh,
        gathered=gathered,
        reference=_reference_bytes(shape, precision, workload.reference_largest),
    )


def layer_bytes(shape: ModelShape, precision: Precision, width: int, *, masked: bool) -> int:
    """What autograd keeps of one decoder layer, bytes a slot.

    With b bytes a number in the layer and r between layers, hidden size d, feed-forward size f, query width q, key and
    value width k, h heads, rows of N slots:

    - RMSNorm, twice: input in float32 (4d), normalized (r d), result (b d). LayerNorm, twice: r d and b d.
      Under autocast each linear layer keeps a bf16 copy of its own, and RMSNorm's result stays in r.
    - attention without a mask: queries, keys, values and result, b (2q + 2k), and the log-sum-exp, 4h. With a mask,
      keys and values are repeated for every query head, b 4q, and the mask is kept as a bias, b N.
    - feed-forward: input and result of the activation, the gate's partner and the product, 4 b f; without a gate 2 b f.
    """
    b, r, d = precision.compute, precision.residual, shape.hidden
    readers = 3 + (2 if shape.gated else 1)  # q, k and v read the first norm; gate and up, or up alone, the second
    norms = (readers if precision.casts else 2) * b * d + 2 * (4 * d + r * d if shape.rms_norm else r * d)
    attention = b * (4 * shape.queries + width) if masked else b * 2 * (shape.queries + shape.keys)
    return norms + attention + 4 * shape.heads + (4 if shape.gated else 2) * b * shape.intermediate


def activation_bytes(shape: ModelShape, precision: Precision, batch: MicroBatch, params: TrainingParams) -> float:
    """What a micro-batch's forward pass leaves for its backward pass, and that needs while it runs.

    With gradient checkpointing the input of every layer, and one layer whole (Chen et al., arXiv 1604.06174). In
    backward a layer's gradients come on top: of its widest tensors, two at a time.
    """
    masked = params.layout == "fork" or batch.rows > 1
    layer = layer_bytes(shape, precision, batch.width, masked=masked)
    between = precision.residual * shape.hidden
    kept = shape.layers * between + layer if params.gradient_checkpointing else shape.layers * layer
    final_norm = (4 if shape.rms_norm else 0) * shape.hidden + between
    backward = precision.compute * 2 * shape.intermediate + between
    return float(batch.rows * batch.width * (kept + final_norm + backward))


def head_bytes(shape: ModelShape, precision: Precision, batch: MicroBatch) -> float:
    """Scores of the labels, a part of the vocabulary at a time: product, logits and gradient; hidden states twice."""
    scores = batch.labels * min(CHUNK, shape.vocabulary) * (precision.compute + 4 + precision.compute)
    return float(scores + batch.labels * shape.hidden * (precision.compute + 4))


def _reference_bytes(shape: ModelShape, precision: Precision, batch: MicroBatch) -> float:
    """The reference pass scores labels like training, but keeps nothing of the layers: one layer's widest tensors."""
    layer = 4 * precision.compute * shape.intermediate
    return batch.rows * batch.width * layer + head_bytes(shape, precision, batch)


def estimate_flops(shape: ModelShape, workload: Workload, params: TrainingParams, setting: Setting) -> Flops:
    """FLOPs of one epoch and of the reference pass.

    A matrix of n entries takes 2n FLOPs a token in forward and 4n in backward, so all of them 6n (Kaplan et al.,
    arXiv 2001.08361, section 2.1); attention 4 q N^2 a row and layer in forward, as the mask saves nothing in most
    kernels, and twice that in backward; the head only where a label is. LoRA needs no gradients of the matrices: 4n.
    """
    body = 2 * shape.matrices * workload.slots
    attention = 4 * shape.queries * shape.layers * workload.attended
    head = 2 * shape.vocabulary * shape.hidden * workload.labels
    adapters = 2 * setting.lora_rank * shape.adapter * workload.slots
    matrices = 2 * (body + head) + 3 * adapters if setting.lora_rank else 3 * (body + head)
    again = body + attention + adapters if params.gradient_checkpointing else 0
    reference = 2 * shape.matrices * workload.reference_slots + 2 * shape.vocabulary * shape.hidden * workload.programs
    reference += 4 * shape.queries * shape.layers * workload.reference_attended
    return Flops(training=matrices + 3 * attention, recompute=again + head, reference=reference)


def _scale(flops: Flops, epochs: float, passes: float) -> Flops:
    return Flops(flops.training * epochs, flops.recompute * epochs, flops.reference * passes)
