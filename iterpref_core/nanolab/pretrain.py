"""Pretraining of a Llama-architecture model from scratch, on (prompt, completion) examples.

A batch is computed in parts, side by side, each on one thread, and what the parts give is added in their order. So the
weights depend neither on how many cores there are nor on what else runs on them.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

import torch
from torch.optim.lr_scheduler import LambdaLR
from torch.overrides import TorchFunctionMode
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerBase

from iterpref_core.config import NanolabParams
from iterpref_core.cores import usable_cores
from iterpref_core.inference.answer_frame import AnswerFrame
from iterpref_core.inference.local.weights import uses_bf16
from iterpref_core.progress import show_progress

_IGNORED = -100  # torch's cross-entropy leaves labels of this value out
_MAX_LENGTH = 1024
_ROWS_AT_ONCE = 4
_WIDTH_STEP = 16  # PyTorch's CPU kernels keep scratch memory for every shape they meet: 1.5 GB more in 100 steps
_MUON_GROUPS = 4


@dataclass(frozen=True)
class Example:
    """What the model reads, and what it should answer."""

    prompt: str
    completion: str


def encode_example(example: Example, tokenizer: PreTrainedTokenizerBase) -> dict[str, list[int]]:
    """Token ids of prompt, completion and end token; labels on the completion and the end alone."""
    prompt = tokenizer(AnswerFrame(tokenizer).open(example.prompt), add_special_tokens=False)["input_ids"]
    completion = tokenizer(example.completion, add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]
    return {"input_ids": prompt + completion, "labels": [_IGNORED] * len(prompt) + completion}


def pad_batch(rows: Sequence[dict[str, list[int]]], pad_token_id: int) -> dict[str, torch.Tensor]:
    """Right-pad examples to the longest, or a little further. Every tensor has the shape (rows, width)."""
    longest = max(len(row["input_ids"]) for row in rows)
    width = -(-longest // _WIDTH_STEP) * _WIDTH_STEP

    def stack(lists: list[list[int]], fill: int) -> torch.Tensor:
        return torch.tensor([row + [fill] * (width - len(row)) for row in lists])

    return {
        "input_ids": stack([row["input_ids"] for row in rows], pad_token_id),
        "labels": stack([row["labels"] for row in rows], _IGNORED),
        "attention_mask": stack([[1] * len(row["input_ids"]) for row in rows], 0),
    }


def new_model(tokenizer: PreTrainedTokenizerBase, params: NanolabParams) -> LlamaForCausalLM:
    """A freshly initialized model with an ordinary configuration."""
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=params.hidden_size,
        intermediate_size=params.intermediate_size,
        num_hidden_layers=params.layers,
        num_attention_heads=params.heads,
        num_key_value_heads=params.heads,
        max_position_embeddings=_MAX_LENGTH,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LlamaForCausalLM(config)


def new_optimizers(model: torch.nn.Module, params: NanolabParams) -> list[torch.optim.Optimizer]:
    """Muon for the matrices, in groups that can step side by side; AdamW for embeddings and norms.

    Measured on the embedded student (docs/decisions.md): Muon is after 50 steps where AdamW is after 150.
    """
    matrices = [weight for name, weight in model.named_parameters() if weight.ndim == 2 and "embed" not in name]
    chosen = {id(weight) for weight in matrices}
    rest = [weight for weight in model.parameters() if id(weight) not in chosen]
    return [
        *(
            torch.optim.Muon(matrices[group::_MUON_GROUPS], lr=params.muon_learning_rate, weight_decay=0.01)
            for group in range(min(_MUON_GROUPS, len(matrices)))
        ),
        torch.optim.AdamW(rest, lr=params.learning_rate, betas=(0.9, 0.98), weight_decay=0.0),
    ]


def shuffled_batches(count: int, batch_size: int, seed: int) -> Iterator[list[int]]:
    """Endless batches of indices; every example once before any comes again."""
    random = Random(seed)
    waiting: list[int] = []
    while True:
        while len(waiting) < batch_size:
            waiting += random.sample(range(count), count)
        yield waiting[:batch_size]
        del waiting[:batch_size]


@contextmanager
def single_threads() -> Iterator[Executor]:
    """A thread for each core, each of which runs PyTorch's operators by itself.

    For each core, though another stage may have its share of them: threads that need not wait for each other lose
    nothing to a neighbor while it is there, and have all cores once it has ended.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        cores = usable_cores()
        with ThreadPoolExecutor(cores, initializer=partial(torch.set_num_threads, 1)) as pool:
            yield pool
    finally:
        torch.set_num_threads(threads)


def set_gradient(
    model: LlamaForCausalLM, rows: Sequence[dict[str, list[int]]], pad_token_id: int, pool: Executor, *, bf16: bool
) -> float:
    """Set every weight's `grad` to that of a batch's mean loss, computed a few rows of like length at a time.

    Drafts are half as long as refinements: padded to one width, 40% of the work and half the memory would be padding.
    Whole batches of like length would save as much, but they are batches of one kind, and learn worse.

    Args:
        model: in training mode.
        rows: encoded examples.
        pad_token_id: of the tokenizer.
        pool: computes the parts, from `single_threads`.
        bf16: run matrix products in bfloat16, under autocast.

    Returns:
        The loss: mean over the batch's labeled tokens, nats.
    """
    # The longest first, so that no thread is left alone with them at the end.
    rows = sorted(rows, key=lambda row: -len(row["labels"]))
    labeled = sum(label != _IGNORED for row in rows for label in row["labels"])
    starts = range(0, len(rows), _ROWS_AT_ONCE)
    parts = [pad_batch(rows[start : start + _ROWS_AT_ONCE], pad_token_id) for start in starts]
    computed = list(pool.map(partial(_part_gradient, model, labeled=labeled, bf16=bf16), parts))
    for weight, *gradients in zip(model.parameters(), *(gradient for _, gradient in computed), strict=True):
        weight.grad = sum(gradients[1:], start=gradients[0])
    return sum(loss for loss, _ in computed)


def _part_gradient(
    model: LlamaForCausalLM, part: dict[str, torch.Tensor], *, labeled: int, bf16: bool
) -> tuple[float, tuple[torch.Tensor, ...]]:
    """Loss and gradient of some rows of a batch with so many labeled tokens."""
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        loss = model(**part, num_items_in_batch=labeled).loss
    return loss.item(), torch.autograd.grad(loss, list(model.parameters()))


class _NoBfloat16(TorchFunctionMode):
    """Leaves tensors in float32 where PyTorch's Muon converts them to bfloat16, whatever the processor."""

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if function is torch.Tensor.bfloat16:
            return args[0].clone()  # what Muon has of its own is changed in place
        return function(*args, **(kwargs or {}))


def take_step(optimizer: torch.optim.Optimizer, *, bf16: bool) -> None:
    """Take an optimizer step, with Muon's matrix products in the precision of the others.

    Muon orthogonalizes in bfloat16 on every processor, and one without instructions for it takes 28 times as long.

    Args:
        optimizer: one of `new_optimizers`.
        bf16: leave Muon what it does; False: float32.
    """
    with nullcontext() if bf16 else _NoBfloat16():
        optimizer.step()


def pretrain(
    examples: Sequence[Example],
    tokenizer: PreTrainedTokenizerBase,
    params: NanolabParams,
    steps: int,
    label: str,
) -> tuple[LlamaForCausalLM, float]:
    """Train a fresh model for a number of steps, warmed up over 5% of them and then on a cosine to zero.

    Args:
        examples: what to learn.
        tokenizer: the embedded models' tokenizer.
        params: shape and optimization.
        steps: optimizer steps, cycling through the examples.
        label: the model's name in the progress shown.

    Returns:
        The model, and its mean loss over the last tenth of the steps (nats a token).
    """
    torch.manual_seed(params.seed)
    model = new_model(tokenizer, params).train()
    model.set_attn_implementation("eager")  # faster than the fused kernel at this size, by a seventh of a step
    bf16 = uses_bf16(params.bf16, "cpu")
    encoded = [encode_example(example, tokenizer) for example in examples]
    optimizers = new_optimizers(model, params)
    schedules = [LambdaLR(optimizer, partial(_warm_cosine, steps=steps)) for optimizer in optimizers]
    batches = shuffled_batches(len(encoded), params.batch_size, params.seed)
    losses: list[float] = []
    with show_progress(label, steps, unit="steps") as advance, single_threads() as pool:
        for _ in range(steps):
            batch = [encoded[index] for index in next(batches)]
            losses.append(set_gradient(model, batch, tokenizer.pad_token_id, pool, bf16=bf16))
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            list(pool.map(partial(take_step, bf16=bf16), optimizers))
            for schedule in schedules:
                schedule.step()
            advance(note=f"loss {losses[-1]:.3f}")
    tail = losses[-max(1, steps // 10) :]
    return model, sum(tail) / len(tail)


def _warm_cosine(step: int, steps: int) -> float:
    warm_up = max(1, steps // 20)
    return min(1.0, (step + 1) / warm_up) * 0.5 * (1 + math.cos(math.pi * step / steps))
