"""Train a Llama-architecture model from scratch on (prompt, completion) examples."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random

import torch
from torch.optim.lr_scheduler import LambdaLR
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerBase

from iterpref_core.config import NanolabParams
from iterpref_core.inference.prompts import render_prompt
from iterpref_core.progress import show_progress

_IGNORED = -100  # torch's cross-entropy leaves labels of this value out
_MAX_LENGTH = 1024
_ROWS_AT_ONCE = 8
_WIDTH_STEP = 32  # PyTorch's CPU kernels keep scratch memory for every shape they meet: 1.5 GB more in 100 steps


@dataclass(frozen=True)
class Example:
    """What the model reads, and what it should answer."""

    prompt: str
    completion: str


def encode_example(example: Example, tokenizer: PreTrainedTokenizerBase) -> dict[str, list[int]]:
    """Token ids of prompt, completion and end token; labels on the completion and the end alone."""
    prompt = tokenizer(render_prompt(tokenizer, example.prompt), add_special_tokens=False)["input_ids"]
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
    """A freshly initialised model with an ordinary configuration."""
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


def new_optimisers(model: torch.nn.Module, params: NanolabParams) -> list[torch.optim.Optimizer]:
    """Muon for the matrices, AdamW for embeddings and norms.

    Measured on the embedded student (docs/decisions.md): Muon is after 50 steps where AdamW is after 150.
    """
    matrices = [weight for name, weight in model.named_parameters() if weight.ndim == 2 and "embed" not in name]
    chosen = {id(weight) for weight in matrices}
    rest = [weight for weight in model.parameters() if id(weight) not in chosen]
    return [
        torch.optim.Muon(matrices, lr=params.muon_learning_rate, weight_decay=0.01),
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


def accumulate_gradient(model: LlamaForCausalLM, rows: Sequence[dict[str, list[int]]], pad_token_id: int) -> float:
    """Add the gradient of a batch's mean loss, a few rows of like length at a time.

    Drafts are half as long as refinements: padded to one width, 40% of the work and half the memory would be padding.
    Whole batches of like length would save as much, but they are batches of one kind, and learn worse.

    Returns:
        The loss: mean over the batch's labelled tokens, nats.
    """
    rows = sorted(rows, key=lambda row: len(row["labels"]))
    labelled = sum(label != _IGNORED for row in rows for label in row["labels"])
    total = 0.0
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        batch = pad_batch(rows[start : start + _ROWS_AT_ONCE], pad_token_id)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = model(**batch, num_items_in_batch=labelled).loss
        loss.backward()
        total += loss.item()
    return total


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
        params: shape and optimisation.
        steps: optimiser steps, cycling through the examples.
        label: the model's name in the progress shown.

    Returns:
        The model, and its mean loss over the last tenth of the steps (nats a token).
    """
    torch.manual_seed(params.seed)
    model = new_model(tokenizer, params).train()
    encoded = [encode_example(example, tokenizer) for example in examples]
    optimisers = new_optimisers(model, params)
    schedules = [LambdaLR(optimiser, partial(_warm_cosine, steps=steps)) for optimiser in optimisers]
    batches = shuffled_batches(len(encoded), params.batch_size, params.seed)
    losses: list[float] = []
    with show_progress(label, steps, unit="steps") as advance:
        for _ in range(steps):
            batch = [encoded[index] for index in next(batches)]
            losses.append(accumulate_gradient(model, batch, tokenizer.pad_token_id))
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            for optimiser, schedule in zip(optimisers, schedules, strict=True):
                optimiser.step()
                schedule.step()
                optimiser.zero_grad()
            advance(note=f"loss {losses[-1]:.3f}")
    tail = losses[-max(1, steps // 10) :]
    return model, sum(tail) / len(tail)


def _warm_cosine(step: int, steps: int) -> float:
    warm_up = max(1, steps // 20)
    return min(1.0, (step + 1) / warm_up) * 0.5 * (1 + math.cos(math.pi * step / steps))
