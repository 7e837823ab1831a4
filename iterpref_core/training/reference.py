"""Reference log-probabilities: per token, computed once, shared by all objectives.

Whatever tokens an objective weighs, its reference term is a weighted sum of these. They are kept outside of DVC's
outputs under a key of everything that decides them (model, token ids, precision), in a memory-mapped Arrow file that
all processes and objectives share. The model before training scores them as it is prepared for training, sharded or
not: no process holds a whole copy besides.
"""

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from datasets import Dataset, Features, List, Value
from datasets.arrow_writer import ArrowWriter
from filelock import FileLock

from iterpref_core.inference.local.model_lineage import training_versions
from iterpref_core.progress import show_progress
from iterpref_core.storage.code_digest import code_digest
from iterpref_core.training.dataset import TokenizedPair

_FEATURES = Features({f"ref_{side}": List(Value("float32")) for side in ("chosen", "rejected")})
_ROWS = 256

Program = tuple[list[int], list[int]]
"""Prompt ids, completion ids."""


def reference_path(cache: Path, tokens: str, fingerprint: str, weights: torch.dtype, bf16: bool) -> Path:
    """Where the log-probabilities are kept, under a digest of what decides them; masks do not.

    Args:
        cache: folder.
        tokens: a digest of all token ids.
        fingerprint: of the model, and of how it reads prompts.
        weights: their precision.
        bf16: whether matrix products are in bfloat16, under autocast.
    """
    code = code_digest("iterpref_core.inference", "iterpref_core.training")
    decisive = [tokens, fingerprint, str(weights), bf16, code, training_versions()]
    return cache / f"{hashlib.sha256(json.dumps(decisive).encode()).hexdigest()[:32]}.arrow"


def reference_logps(
    model: Any, rows: Sequence[TokenizedPair], path: Path, *, batch_size: int, processes: PartialState
) -> Dataset:
    """The log-probabilities on disk, as columns; computed unless they are there.

    A lock makes objectives that train at the same time compute them once. Several processes each score their share.

    Args:
        model: before training, with a label head, as it is prepared for training in this process.
        rows: the tokenized pairs.
        path: from `reference_path`.
        batch_size: sequences scored at once.
        processes: those that train together.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock") if processes.is_main_process else nullcontext():
        processes.wait_for_everyone()  # whoever waits here finds what the lock's last holder wrote
        if not path.exists():
            programs = _Programs(rows)
            starts = np.concatenate([[0], np.cumsum(programs.lengths)])
            share = np.memmap(_share(path, processes.process_index), np.float32, "w+", shape=int(starts[-1]))
            for index, score in score_programs(model, programs, programs.totals, batch_size, processes):
                share[starts[index] : starts[index + 1]] = score.numpy()
            share.flush()
            processes.wait_for_everyone()
            if processes.is_main_process:
                _merge(path, starts, processes.num_processes)
            processes.wait_for_everyone()
    return Dataset.from_file(str(path))


class _Programs(Sequence[Program]):
    """All chosen programs, then all rejected ones, read when they are asked for; with their lengths in tokens."""

    def __init__(self, rows: Sequence[TokenizedPair]) -> None:
        self._rows = rows
        sizes = ((len(row.prompt_ids), len(row.chosen_ids), len(row.rejected_ids)) for row in rows)
        prompts, chosen, rejected = np.fromiter((size for own in sizes for size in own), np.int64).reshape(-1, 3).T
        self.lengths = np.concatenate([chosen, rejected])
        self.totals = np.concatenate([prompts, prompts]) + self.lengths

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: int) -> Program:  # type: ignore[override]  # no slices of it are taken
        rejected, place = divmod(index, len(self._rows))
        row = self._rows[place]
        return row.prompt_ids, row.rejected_ids if rejected else row.chosen_ids


def _share(path: Path, process: int) -> Path:
    return path.with_suffix(f".{process}.share")


def _merge(path: Path, starts: np.ndarray, processes: int) -> None:
    """Put the shares of all processes together, each of which has its own programs in their places."""
    paths = [_share(path, process) for process in range(processes)]
    shares = [np.memmap(share, np.float32, "r") for share in paths]
    pairs = len(starts) // 2

    def scores(number: int) -> np.ndarray:
        return shares[number % processes][starts[number] : starts[number + 1]]

    temporary = path.with_suffix(".tmp")
    with ArrowWriter(features=_FEATURES, path=str(temporary)) as writer:
        for start in range(0, pairs, _ROWS):
            places = range(start, min(start + _ROWS, pairs))
            both = ([scores(side * pairs + place) for place in places] for side in range(2))
            writer.write_batch(dict(zip(_FEATURES, both, strict=True)))
        writer.finalize()
    temporary.replace(path)
    for share in paths:
        share.unlink()


@torch.no_grad()  # and not inference mode, in which sharded weights cannot be gathered
def score_programs(
    model: Any,
    programs: Sequence[Program],
    totals: np.ndarray,
    batch_size: int,
    processes: PartialState | None = None,
) -> Iterator[tuple[int, torch.Tensor]]:
    """Log-probability of every completion token given all before it.

    Args:
        model: a causal language model with a label head.
        programs: prompt ids and completion ids.
        totals: (programs,) tokens of each with its prompt; similar lengths go together, the shortest first.
        batch_size: sequences scored at once.
        processes: score every n-th program each, in as many forward passes each; None for one process.

    Yields:
        Index of a program, and a float32 tensor as long as its completion, nats.
    """
    model.eval()
    rank, world = (processes.process_index, processes.num_processes) if processes else (0, 1)
    own = np.arange(len(programs))[rank::world]
    order = own[np.argsort(totals[own], kind="stable")]
    passes = math.ceil(math.ceil(len(programs) / world) / batch_size)
    with show_progress("reference log-probabilities", len(order), unit="programs") as advance:
        for number in range(passes):
            batch = order[number * batch_size : (number + 1) * batch_size].tolist()
            # A process that is done takes part in the others' passes, where weights are sharded.
            scores = score_batch(model, [programs[index] for index in batch or [0]])
            yield from zip(batch, scores, strict=False)
            advance(len(batch))


def score_sequences(model: Any, programs: Sequence[Program], *, batch_size: int) -> list[torch.Tensor]:
    """The same of all programs, in their order, under a model in this process."""
    totals = np.array([len(prompt) + len(completion) for prompt, completion in programs], dtype=np.int64)
    scores = dict(score_programs(model, programs, totals, batch_size))
    return [scores[index] for index in range(len(programs))]


@torch.no_grad()
def score_batch(model: Any, batch: Sequence[Program]) -> list[torch.Tensor]:
    """The same of a few programs, in rows that are padded on the right."""
    device = next(model.parameters()).device
    rows = [torch.tensor(prompt + completion, device=device) for prompt, completion in batch]
    lengths = torch.tensor([len(row) for row in rows], device=device)
    ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    # The first token of all is predicted from nothing, and counts for nothing: such a place has no label.
    places = [
        [number * ids.shape[1] + place for place in range(max(len(prompt), 1), len(prompt) + len(completion))]
        for number, (prompt, completion) in enumerate(batch)
    ]
    slots = torch.tensor([place for own in places for place in own], dtype=torch.long, device=device)
    logps = model(
        input_ids=ids,
        attention_mask=(torch.arange(ids.shape[1], device=device) < lengths[:, None]).long(),
        label_slots=slots - 1,
        label_targets=ids.flatten()[slots],
        use_cache=False,
    )
    return [
        torch.nn.functional.pad(score, (len(completion) - len(score), 0))
        for score, (_, completion) in zip(logps.cpu().split([len(own) for own in places]), batch, strict=True)
    ]
