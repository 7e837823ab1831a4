"""Pretraining of a Llama-architecture model from scratch, on (prompt, completion) examples.

A batch is computed in parts, in parallel, each on one thread, and the parts' gradients are added in the parts' order.
So the weights depend neither on the number of cores nor on other programs that run on them.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from copy import copy
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

import torch
from torch.optim.lr_scheduler import LambdaLR
from torch.overrides import TorchFunctionMode
from transformers import DataCollatorForSeq2Seq, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerBase

from iterpref_core.models.pretrained.chat_template import ChatTemplate
from iterpref_core.models.pretrained.weights import uses_bf16
from iterpref_core.records import NanolabParams, Prompt
from iterpref_core.storage.cores import usable_cores
from iterpref_core.storage.progress import show_progress

_IGNORED = -100
"""The label of tokens that PyTorch's cross-entropy leaves out."""
SEED = 7
_HEADS = 4
_WIDTH_OF_A_LAYER = 64
"""A model has a layer for every 64 of its width, and two at least."""
_MAX_LENGTH = 1024
_ROWS_AT_ONCE = 4
_WIDTH_STEP = 16
"""The widths of batches are multiples of this: PyTorch's CPU kernels keep scratch memory for every shape they meet. It
took 1.5 GB more in 100 steps."""
_MUON_GROUPS = 4
_ADAM_LEARNING_RATE = 0.005
"""The learning rate of embeddings and norms; `nanolab.muon_learning_rate` is for the matrices."""


@dataclass(frozen=True)
class Example:
    """A prompt, and the completion that the model should give."""

    prompt: Prompt
    completion: str


def encode_example(example: Example, tokenizer: PreTrainedTokenizerBase) -> dict[str, list[int]]:
    """Return token ids of prompt, completion and end token; only the completion and the end token have labels."""
    rendered = ChatTemplate(tokenizer).render_prompt(example.prompt)
    prompt = tokenizer(rendered, add_special_tokens=False)["input_ids"]
    completion = tokenizer(example.completion, add_special_tokens=False)["input_ids"]
    completion = [*completion, tokenizer.eos_token_id]
    return {
        "input_ids": prompt + completion,
        "labels": [_IGNORED] * len(prompt) + completion,
    }


def right_padding(tokenizer: PreTrainedTokenizerBase) -> DataCollatorForSeq2Seq:
    """Return a collator that right-pads examples to the longest one's length, rounded up to `_WIDTH_STEP`."""
    right = copy(tokenizer)  # which pads on the left, to generate
    right.padding_side = "right"
    return DataCollatorForSeq2Seq(right, pad_to_multiple_of=_WIDTH_STEP, label_pad_token_id=_IGNORED)


def new_model(tokenizer: PreTrainedTokenizerBase, params: NanolabParams) -> LlamaForCausalLM:
    """Return a freshly initialized model of the Llama architecture."""
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=params.hidden_size,
        intermediate_size=params.intermediate_size,
        num_hidden_layers=max(2, params.hidden_size // _WIDTH_OF_A_LAYER),
        num_attention_heads=_HEADS,
        num_key_value_heads=_HEADS,
        max_position_embeddings=_MAX_LENGTH,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LlamaForCausalLM(config)


def new_optimizers(model: torch.nn.Module, params: NanolabParams) -> list[torch.optim.Optimizer]:
    """Return Muon for the matrices, in groups that can step in parallel, and AdamW for embeddings and norms.

    On the embedded student, Muon's loss after 50 steps is AdamW's after 150 (docs/decisions.md).
    """
    matrices = []
    rest = []
    for name, weight in model.named_parameters():
        if weight.ndim == 2 and "embed" not in name:
            matrices.append(weight)
        else:
            rest.append(weight)
    optimizers: list[torch.optim.Optimizer] = []
    # Group 0 has the matrices 0, 4, 8, …, group 1 has 1, 5, 9, …, and so on.
    for first in range(min(_MUON_GROUPS, len(matrices))):
        muon = torch.optim.Muon(
            matrices[first::_MUON_GROUPS],
            lr=params.muon_learning_rate,
            weight_decay=0.01,
        )
        optimizers.append(muon)
    # Embeddings and norms are few numbers, and Muon is made for matrices.
    adam = torch.optim.AdamW(
        rest,
        lr=_ADAM_LEARNING_RATE,
        betas=(0.9, 0.98),
        weight_decay=0.0,
    )
    optimizers.append(adam)
    return optimizers


def shuffled_batches(count: int, batch_size: int, seed: int) -> Iterator[list[int]]:
    """Yield batches of indices without end; every example comes once before any comes again."""
    random = Random(seed)
    waiting: list[int] = []
    while True:
        # Three examples in batches of 2: 2 0, 1 2, 0 1, … each pass is shuffled anew.
        while len(waiting) < batch_size:
            waiting += random.sample(range(count), count)
        yield waiting[:batch_size]
        del waiting[:batch_size]


@contextmanager
def single_threads() -> Iterator[Executor]:
    """Open a pool with a thread for each core; PyTorch's operators use one thread each.

    All cores are counted, even if another stage runs at the same time. The threads do not wait for each other, so
    sharing a core has no further cost, and all cores are used once the other stage has ended.
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
    model: LlamaForCausalLM,
    rows: Sequence[dict[str, list[int]]],
    collate: DataCollatorForSeq2Seq,
    pool: Executor,
    *,
    bf16: bool,
) -> float:
    """Set every weight's `grad` to the gradient of a batch's mean loss, computed a few rows of like length at a time.

    Drafts are half as long as refinements: padded to one width, 40% of the work and half the memory would be padding.
    Whole batches of like length would save the same, but would have drafts or refinements alone, and models learn
    worse from them.

    Args:
        model: model in training mode.
        rows: encoded examples.
        collate: pads the rows of a part.
        pool: the pool from `single_threads`, which computes the parts.
        bf16: run matrix products in bfloat16, under autocast.

    Returns:
        The loss: mean over the batch's labeled tokens, nats.
    """
    # The longest rows first: otherwise one thread would compute them at the end, and the others would wait.
    rows = sorted(rows, key=lambda row: -len(row["labels"]))
    labeled = sum(label != _IGNORED for row in rows for label in row["labels"])
    parts = [collate(rows[start : start + _ROWS_AT_ONCE]) for start in range(0, len(rows), _ROWS_AT_ONCE)]
    computed = pool.map(partial(_part_gradient, model, labeled=labeled, bf16=bf16), parts)
    losses, part_gradients = zip(*computed, strict=True)
    # `zip` turns gradients by part, [[a1, b1], [a2, b2]], into gradients by weight: a1, a2 for a, and b1, b2 for b.
    for weight, *gradients in zip(model.parameters(), *part_gradients, strict=True):
        weight.grad = sum(gradients[1:], start=gradients[0])
    return float(sum(losses))


def _part_gradient(
    model: LlamaForCausalLM,
    part: dict[str, torch.Tensor],
    *,
    labeled: int,
    bf16: bool,
) -> tuple[float, tuple[torch.Tensor, ...]]:
    """Return a part's share of the loss and of the gradient, in a batch with `labeled` tokens that have labels."""
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        loss = model(**part, num_items_in_batch=labeled).loss
    return loss.item(), torch.autograd.grad(loss, list(model.parameters()))


class _NoBfloat16(TorchFunctionMode):
    """Lets `Tensor.bfloat16` return a copy in float32, so that PyTorch's Muon computes in float32."""

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Any = None,
    ) -> Any:
        if function is torch.Tensor.bfloat16:
            # Muon changes the result in place, and `bfloat16` would have returned a new tensor.
            return args[0].clone()
        return function(*args, **(kwargs or {}))


def take_step(optimizer: torch.optim.Optimizer, *, bf16: bool) -> None:
    """Take an optimizer step, with Muon's matrix products in the precision of the others.

    Muon orthogonalizes in bfloat16 on every processor, and one without instructions for it takes 28 times as long.

    Args:
        optimizer: made by `new_optimizers`.
        bf16: True: Muon computes in bfloat16, as PyTorch has it; False: in float32.
    """
    with nullcontext() if bf16 else _NoBfloat16():
        optimizer.step()


def pretrain(
    examples: Sequence[Example],
    tokenizer: PreTrainedTokenizerBase,
    params: NanolabParams,
    steps: int,
    label: str,
    start: LlamaForCausalLM | None = None,
) -> tuple[LlamaForCausalLM, float]:
    """Train a model for a number of steps, warmed up over 5% of them and then on a cosine to zero.

    Args:
        examples: prompts and completions to learn.
        tokenizer: the embedded models' tokenizer.
        params: shape and optimization.
        steps: optimizer steps, cycling through the examples.
        label: the model's name in the progress shown.
        start: a model to go on from, which is changed; None: a fresh one.

    Returns:
        The model, and its mean loss over the last tenth of the steps (nats a token).
    """
    torch.manual_seed(SEED)
    model = (start or new_model(tokenizer, params)).train()
    model.set_attn_implementation("eager")  # faster than the fused kernel at this size, by a seventh of a step
    bf16 = uses_bf16("auto", "cpu")
    encoded = [encode_example(example, tokenizer) for example in examples]
    collate = right_padding(tokenizer)
    optimizers = new_optimizers(model, params)
    schedules = [LambdaLR(optimizer, partial(_warm_cosine, steps=steps)) for optimizer in optimizers]
    batches = shuffled_batches(len(encoded), params.batch_size, SEED)
    losses: list[float] = []
    with show_progress(label, steps, unit="steps") as advance, single_threads() as pool:
        for _ in range(steps):
            batch = [encoded[index] for index in next(batches)]
            loss = set_gradient(model, batch, collate, pool, bf16=bf16)
            losses.append(loss)
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            # The optimizers step at the same time, each with weights of its own.
            steps_taken = pool.map(partial(take_step, bf16=bf16), optimizers)
            list(steps_taken)  # waits for all of them
            for schedule in schedules:
                schedule.step()
            advance(note=f"loss {loss:.3f}")
    # The last batches alone would be noise.
    tail = losses[-max(1, steps // 10) :]
    return model, sum(tail) / len(tail)


def _warm_cosine(step: int, steps: int) -> float:
    # 100 steps: a line up to the peak over 5, then half a cosine down to 0.
    warm_up = max(1, steps // 20)
    warmth = min(1.0, (step + 1) / warm_up)
    return warmth * 0.5 * (1 + math.cos(math.pi * step / steps))
