"""`iterpref bench training`: TRL's trainer, our padded layout and our forked one, step by step on the same pairs."""

import ast
import os
import platform
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase

from iterpref_core.config import TrainingParams
from iterpref_core.cores import usable_cores
from iterpref_core.errors import InputError
from iterpref_core.execution.mutants import mutants_of
from iterpref_core.inference.local.tokenizers import load_tokenizer
from iterpref_core.localization.localization import ON_TEXT
from iterpref_core.nanolab.byte_bpe import train_tokenizer
from iterpref_core.progress import show_progress
from iterpref_core.records import FocalSpans, PreferencePair, Problem
from iterpref_core.storage.jsonl import read_jsonl, write_jsonl
from iterpref_core.training.attention import attention_mask
from iterpref_core.training.columns import objective_columns
from iterpref_core.training.dataset import TokenizedPair, load_pairs
from iterpref_core.training.label_head import label_logps
from iterpref_core.training.layouts import PAD_TO_MULTIPLE_OF, Batch, ForkCollator, PaddedCollator, Pair
from iterpref_core.training.masks import shared_prefix
from iterpref_core.training.reference import ReferenceLogps
from tasks.benchmarks.device_meters import Device, this_device
from tasks.benchmarks.made_up_pairs import made_up_pairs
from tasks.benchmarks.spread import spread
from tasks.benchmarks.training_contestants import OBJECTIVE, SHAPES, Shape, our_trainer, trl_batch, trl_trainer

_SEED = 23
_QUARTILES = 4
_VOCABULARY = 1024  # fewer than the smallest model has
Spread = dict[str, float]


@dataclass(frozen=True)
class TrainingEffort:
    """How much to measure.

    Attributes:
        rounds: in each, every contestant makes one step on each quartile of the pairs.
        pairs: of a step; of the made-up ones, which are long, a quarter as many.
        narrower: by which the width of the models is divided; 1 for the published shapes.
        layers: of narrower models.
        made_up: pairs that are made up.
        memory: the head whose memory is measured.
        memory_pairs: of the batch that it is measured with.
    """

    rounds: int = 5
    pairs: int = 16
    narrower: int = 4
    layers: int = 2
    made_up: int = 64
    memory: Shape = SHAPES["0.5B"]
    memory_pairs: int = 8


def default_effort() -> TrainingEffort:
    """The published shapes on a GPU, a quarter of their width on a CPU."""
    return TrainingEffort(narrower=1) if this_device().kind == "cuda" else TrainingEffort()


@dataclass
class _Step:
    """One step: seconds by the device's clock, those of batch and mask among them, the loss, and the slots computed."""

    seconds: float
    layout_seconds: float
    loss: float
    slots: int


class _Contestant:
    """A way to make a training step. The learning rate is 0: the work of a step, and the same weights before each."""

    def __init__(self, device: Device, trainer: Any, lay_out: Callable[[Sequence[Pair]], Batch]) -> None:
        self._device, self._trainer, self._lay_out = device, trainer, lay_out
        self._optimizer = torch.optim.AdamW(trainer.model.parameters(), lr=0.0, fused=True)  # the trainer's default

    def step(self, pairs: Sequence[Pair]) -> _Step:
        """Collate, forward, backward, update."""
        clock = self._device.clock
        start = clock()
        batch = {name: values.to(self._device.place) for name, values in self._lay_out(pairs).items()}
        layout = clock() - start
        loss = self._trainer.compute_loss(self._trainer.model, batch)
        loss.backward()
        self._optimizer.step()
        self._optimizer.zero_grad()
        seconds = clock() - start
        if "visible" in batch:  # the loss has made this mask; how long that took is seen by making it again
            start = clock()
            attention_mask(batch["visible"], self._trainer.model.config._attn_implementation)  # noqa: SLF001 - as ever
            layout += clock() - start
        return _Step(seconds, layout, loss.item(), batch["input_ids"].numel())


def mutated_pairs(problems: Path) -> list[PreferencePair]:
    """Chosen: a reference, as `ast.unparse` writes it; rejected: a mutant of it.

    Raises:
        InputError: no problem has a reference that can be mutated.
    """
    pairs = []
    for problem in read_jsonl(problems, Problem, unique=True):
        if problem.reference is None:
            continue
        try:
            chosen = ast.unparse(ast.parse(problem.reference)) + "\n"
            mutants = mutants_of(problem.reference, 1, problem.task_id)
        except ValueError:  # a reference for another Python; there is nothing to mutate
            continue
        pairs += [
            PreferencePair(task_id=problem.task_id, prompt=problem.prompt, chosen=chosen, rejected=mutant.code)
            for mutant in mutants
        ]
    if not pairs:
        raise InputError(f"{problems}: no problem has a reference with something to mutate; give MBPP's problems")
    return pairs


def _mutated_rows(problems: Path, params: TrainingParams) -> tuple[PreTrainedTokenizerBase, list[TokenizedPair]]:
    """The mutated pairs, tokenized by a BPE that is trained on them; error regions by the line LCS."""
    pairs = mutated_pairs(problems)
    tokenizer = train_tokenizer([f"{pair.prompt}\n{pair.chosen}" for pair in pairs], _VOCABULARY)
    with tempfile.TemporaryDirectory() as folder:
        written, spans = Path(folder, "pairs.jsonl"), Path(folder, "focal.jsonl")
        write_jsonl(written, pairs)
        write_jsonl(spans, map(_locate, pairs))
        return tokenizer, load_pairs(written, spans, tokenizer, params)


def _locate(pair: PreferencePair) -> FocalSpans:
    find, anchor = ON_TEXT["line_lcs"]
    region = find(pair.rejected, pair.chosen)
    rejected = region.rejected or anchor(pair.rejected, pair.chosen)
    return FocalSpans(task_id=pair.task_id, method="line_lcs", rejected=rejected, chosen=region.chosen)


def _columns(rows: list[TokenizedPair]) -> list[Pair]:
    """The pairs as a collator gets them.

    The reference is made up, of token and position, so that it is the same in what the programs of a pair share.
    """

    def reference(prompt: list[int], program: list[int]) -> list[float]:
        return [-0.5 - (7 * token + 3 * (len(prompt) + place)) % 11 / 8 for place, token in enumerate(program)]

    columns = objective_columns(
        rows,
        OBJECTIVE,
        ReferenceLogps(
            [reference(row.prompt_ids, row.chosen_ids) for row in rows],
            [reference(row.prompt_ids, row.rejected_ids) for row in rows],
        ),
    )
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _shared(pair: Pair) -> float:
    """Share of the longer program's tokens, prompt included, that stand before the first difference."""
    chosen, rejected = pair["chosen_ids"], pair["rejected_ids"]
    length = max(len(chosen), len(rejected))
    return (len(pair["prompt_ids"]) + shared_prefix(chosen, rejected)) / (len(pair["prompt_ids"]) + length)


def _quartiles(pairs: list[Pair]) -> list[list[Pair]]:
    """By the share of the prefix, each in a seeded order."""
    ordered = sorted(pairs, key=_shared)
    size = len(ordered) // _QUARTILES
    parts = [ordered[start * size : (start + 1) * size] for start in range(_QUARTILES)]
    for part in parts:
        Random(_SEED).shuffle(part)
    return parts


def _batches(part: list[Pair], effort: TrainingEffort) -> Iterator[list[Pair]]:
    """A batch for each round; a short part is gone through again."""
    for turn in range(effort.rounds):
        yield [part[(turn * effort.pairs + place) % len(part)] for place in range(min(effort.pairs, len(part)))]


def _race(
    contestants: dict[str, _Contestant], parts: list[list[Pair]], effort: TrainingEffort
) -> list[list[dict[str, _Step]]]:
    """Steps by quartile and round; each batch begins with another contestant. The first step of all is not counted."""
    kinds = list(contestants)
    for kind in kinds:
        contestants[kind].step(parts[0][: effort.pairs])
    steps: list[list[dict[str, _Step]]] = [[] for _ in parts]
    with show_progress("steps", effort.rounds * len(parts), unit="steps") as advance:
        for turn, batches in enumerate(zip(*(_batches(part, effort) for part in parts), strict=True)):
            for number, batch in enumerate(batches):
                first = (turn + number) % len(kinds)
                steps[number].append({kind: contestants[kind].step(batch) for kind in kinds[first:] + kinds[:first]})
                advance()
    return steps


def _speedup(steps: list[dict[str, _Step]], ours: str) -> list[float]:
    return [step["trl"].seconds / step[ours].seconds for step in steps]


def _bound(steps: list[dict[str, _Step]], batches: list[list[Pair]], shape: Shape) -> float:
    """What a fork could gain: TRL's slots over those that a fork needs, padding of ours not counted, heads alike.

    Slots cost the decoder's weights, labels the head's; attention and the optimizer are left out.
    """
    collate = ForkCollator(0)
    theirs = ours = 0
    for step, batch in zip(steps, batches, strict=True):
        alone = [collate([pair]) for pair in batch]
        labels = sum(len(pair["label_slots"]) for pair in alone) * shape.head_weights
        theirs += step["trl"].slots * shape.decoder_weights + labels
        ours += sum(pair["input_ids"].numel() for pair in alone) * shape.decoder_weights + labels
    return theirs / ours


def _compare(
    shape: Shape, device: Device, tokenizer: PreTrainedTokenizerBase, pairs: list[Pair], effort: TrainingEffort
) -> dict[str, Any]:
    """All contestants on one model and one list of pairs."""
    assert len(tokenizer) <= shape.vocabulary, "the scaled model's vocabulary is what its head's share leaves"
    fork, padded = ForkCollator(0, PAD_TO_MULTIPLE_OF), PaddedCollator(0, True, PAD_TO_MULTIPLE_OF)
    longest = max(len(pair["prompt_ids"]) + max(len(pair["chosen_ids"]), len(pair["rejected_ids"])) for pair in pairs)
    with tempfile.TemporaryDirectory() as folder:
        ours = {
            kind: our_trainer(shape, device, tokenizer, collator, longest, Path(folder))
            for kind, collator in (("padded", padded), ("fork", fork))
        }
        contestants = {"trl": _Contestant(device, trl_trainer(shape, device, tokenizer, Path(folder)), trl_batch)} | {
            kind: _Contestant(device, trainer, trainer.data_collator) for kind, trainer in ours.items()
        }
        parts = _quartiles(pairs)
        steps = _race(contestants, parts, effort)
        first = parts[0][: effort.pairs]
        peaks = {kind: device.peak_bytes(partial(one.step, first)) for kind, one in contestants.items()}
    quartiles = []
    for part, own in zip(parts, steps, strict=True):
        bound = _bound(own, list(_batches(part, effort)), shape)
        speedup = spread(_speedup(own, "fork"))
        quartiles.append(
            {
                "shared_prefix": [round(min(map(_shared, part)), 3), round(max(map(_shared, part)), 3)],
                "fork_speedup": speedup,
                "bound": round(bound, 3),
                "share_of_bound": round(speedup["median"] / bound, 3),
                "padding_share": round(_padding(own, list(_batches(part, effort))), 3),
            }
        )
    every = [step for own in steps for step in own]
    rounds = [_sum_of_round(own) for own in zip(*steps, strict=True)]
    return {
        "fork_speedup": spread(_speedup(rounds, "fork")),
        "padded_speedup": spread(_speedup(rounds, "padded")),
        "quartiles": quartiles,
        "step_s": {kind: round(statistics.median(step[kind].seconds for step in every), 3) for kind in every[0]},
        "mask_share": round(statistics.median(s["fork"].layout_seconds / s["fork"].seconds for s in every), 5),
        "loss_difference": max(abs(s["trl"].loss - s[kind].loss) for s in every for kind in ("padded", "fork")),
        "step_mb": {kind: round(peak / 2**20, 1) for kind, peak in peaks.items()},
        "head_share": round(shape.head_share, 4),
        "pairs": len(pairs),
    }


def _sum_of_round(steps: Sequence[dict[str, _Step]]) -> dict[str, _Step]:
    """One step of every quartile together: a round is one ratio over all kinds of pairs."""
    return {
        kind: _Step(sum(step[kind].seconds for step in steps), 0.0, 0.0, sum(step[kind].slots for step in steps))
        for kind in steps[0]
    }


def _padding(steps: list[dict[str, _Step]], batches: list[list[Pair]]) -> float:
    """Share of the fork's slots that hold nothing."""
    needed = sum(ForkCollator(0)([pair])["input_ids"].numel() for batch in batches for pair in batch)
    return 1 - needed / sum(step["fork"].slots for step in steps)


def _of_middle_length(pairs: list[Pair], count: int) -> list[Pair]:
    ordered = sorted(pairs, key=lambda pair: len(pair["prompt_ids"]) + len(pair["chosen_ids"]))
    first = max(0, (len(ordered) - count) // 2)
    return ordered[first : first + count]


def measure_memory(pairs: list[Pair], head: Shape, device: Device) -> dict[str, float]:
    """Peak of the tensors that the loss makes, forward and backward, over that of plain logits in every slot.

    Args:
        pairs: of one padded batch, the same for both.
        head: hidden size and vocabulary.
        device: where.

    Returns:
        `memory_ratio`, with the gradient of the head's weights, which both make, and `memory_ratio_of_activations`
        without it; megabytes of both.
    """
    batch = {name: values.to(device.place) for name, values in PaddedCollator(0, True)(pairs).items()}
    options: dict[str, Any] = {"device": device.place, "dtype": device.dtype}
    slots, targets = batch["label_slots"], batch["label_targets"]
    torch.manual_seed(0)
    hidden = torch.randn(batch["input_ids"].numel(), head.hidden, **options).requires_grad_()
    weight = (0.02 * torch.randn(head.vocabulary, head.hidden, **options)).requires_grad_()
    factors = batch["chosen_weights"] - batch["rejected_weights"]

    def plain() -> None:
        logps = torch.nn.functional.linear(hidden, weight).log_softmax(dim=-1)
        (logps[slots, targets] * factors).sum().backward()

    def ours() -> None:
        (label_logps(hidden[slots], weight, None, targets) * factors).sum().backward()

    peaks = {}
    for name, compute in {"plain": plain, "ours": ours}.items():
        hidden.grad = weight.grad = None
        peaks[name] = device.peak_bytes(compute)
    gradient = weight.nbytes
    return {
        "memory_ratio": round(peaks["ours"] / peaks["plain"], 4),
        "memory_ratio_of_activations": round((peaks["ours"] - gradient) / (peaks["plain"] - gradient), 4),
        **{f"memory_mb_{name}": round(peak / 2**20, 1) for name, peak in peaks.items()},
    }


def bench_training(
    problems: Path | None,
    pairs: Path,
    spans: Path,
    student: Path,
    params: TrainingParams,
    effort: TrainingEffort,
) -> dict[str, Any]:
    """Measure steps of Target-DPO, on the GPU if there is one.

    Args:
        problems: problems with references, such as MBPP's; they are mutated. None leaves them out.
        pairs: an experiment's pairs, if it has been run here.
        spans: their error regions.
        student: the model whose tokenizer reads them.
        params: limits of length.
        effort: how much to measure.

    Returns:
        `fork_speedup` (TRL's time over ours, median over rounds, of the two models' the smaller; for each list of
        pairs), `loss_difference` and `mask_share` (the largest), `memory_ratio`; in `models` all of it for each model,
        list and quartile of the shared prefix, with what token counts alone would give (`bound`); machine and load.

    Raises:
        InputError: no problem can be mutated.
    """
    load, device = os.getloadavg()[0], this_device()
    shapes = {name: shape.scaled(effort.narrower, effort.layers) for name, shape in SHAPES.items()}
    lists = _pair_lists(problems, pairs, spans, student, params, effort)
    models = {
        name: {
            kind: _compare(shape, device, tokenizer, _columns(rows), own)
            for kind, (tokenizer, rows, own) in lists.items()
        }
        for name, shape in shapes.items()
    }
    found = [own for by_list in models.values() for own in by_list.values()]
    first = _columns(next(iter(lists.values()))[1])
    return {
        "fork_speedup": {
            kind: min(model[kind]["fork_speedup"]["median"] for model in models.values()) for kind in lists
        },
        "loss_difference": max(own["loss_difference"] for own in found),
        "mask_share": max(own["mask_share"] for own in found),
        **measure_memory(_of_middle_length(first, effort.memory_pairs), effort.memory, device),
        "models": models,
        "device": device.name,
        "precision": str(device.dtype).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "machine": f"{usable_cores()} cores, {platform.machine()}, {platform.system()}",
        "load_before": round(load, 2),
        "load_after": round(os.getloadavg()[0], 2),
    }


def _pair_lists(
    problems: Path | None, pairs: Path, spans: Path, student: Path, params: TrainingParams, effort: TrainingEffort
) -> dict[str, tuple[PreTrainedTokenizerBase, list[TokenizedPair], TrainingEffort]]:
    """By name, pairs, the tokenizer that made them, and how much to measure with them."""
    lists = {"mbpp": (*_mutated_rows(problems, params), effort)} if problems else {}
    if pairs.exists() and spans.exists() and student.exists():
        tokenizer = load_tokenizer(student)
        lists["nanolab"] = tokenizer, load_pairs(pairs, spans, tokenizer, params), effort
    tokenizer = train_tokenizer(["def f(x):\n    return x\n"], _VOCABULARY)
    long = replace(effort, pairs=max(1, effort.pairs // 4))
    lists["made_up"] = tokenizer, made_up_pairs(effort.made_up, len(tokenizer), params), long
    return lists
