"""Reference log-probabilities: per token, computed once, shared by all objectives.

Whatever tokens an objective weighs, its reference term is a weighted sum of these. They are kept outside of DVC's
outputs under a key of everything that decides them (model, token ids, precision), in a memory-mapped Arrow file that
all processes and objectives share.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from accelerate import PartialState
from datasets import Dataset, Features, List, Value
from datasets.arrow_writer import ArrowWriter
from filelock import FileLock
from transformers import PreTrainedModel

from iterpref_core.inference.local.model_lineage import training_versions
from iterpref_core.progress import show_progress
from iterpref_core.storage.code_digest import code_digest
from iterpref_core.training.dataset import TokenizedPair
from iterpref_core.training.label_head import decoder_of, label_logps, logit_transform

_FEATURES = Features({f"ref_{side}_token_logps": List(Value("float32")) for side in ("chosen", "rejected")})
_ROWS = 256

Program = tuple[list[int], list[int]]
"""Prompt ids, completion ids."""


@dataclass(frozen=True)
class ReferenceLogps:
    """For every pair, log pi_ref of each token of y+ and of y- (nats, float32)."""

    chosen: list[list[float]]
    rejected: list[list[float]]


def reference_key(tokens: str, fingerprint: str, weights: torch.dtype, bf16: bool) -> str:
    """A digest of what decides the log-probabilities; masks do not. `tokens` is a digest of all token ids."""
    code = code_digest("iterpref_core.inference", "iterpref_core.training")
    decisive = [tokens, fingerprint, str(weights), bf16, code, training_versions()]
    return hashlib.sha256(json.dumps(decisive).encode()).hexdigest()[:32]


def reference_logps(
    load: Callable[[], PreTrainedModel],
    rows: Sequence[TokenizedPair],
    cache: Path,
    key: str,
    *,
    batch_size: int,
    bf16: bool,
    processes: PartialState,
) -> Dataset:
    """The log-probabilities on disk, as columns; computed unless they are there.

    A lock makes objectives that train at the same time compute them once. Several processes each score their share.

    Args:
        load: gives the model before training, whole; called if it is needed.
        rows: the tokenized pairs.
        cache: folder for cached log-probabilities.
        key: from `reference_key`.
        batch_size: sequences scored at once.
        bf16: the precision that training uses.
        processes: those that train together.
    """
    cache.mkdir(parents=True, exist_ok=True)
    path = cache / f"{key}.arrow"
    with FileLock(f"{path}.lock") if processes.is_main_process else nullcontext():
        processes.wait_for_everyone()  # whoever waits here finds what the lock's last holder wrote
        if not path.exists():
            prompts, lengths = _lengths(rows)
            starts = np.concatenate([[0], np.cumsum(lengths)])
            own = range(processes.process_index, len(lengths), processes.num_processes)
            share = np.memmap(_share(path, processes.process_index), np.float32, "w+", shape=int(starts[-1]))
            totals = (prompts + lengths)[own.start :: own.step]
            scores = _score_each(load(), _Programs(rows, own), totals, batch_size=batch_size, bf16=bf16)
            for index, score in scores:
                share[starts[own[index]] : starts[own[index] + 1]] = score.numpy()
            share.flush()
            processes.wait_for_everyone()
            if processes.is_main_process:
                _merge(path, starts, processes.num_processes)
            processes.wait_for_everyone()
    return Dataset.from_file(str(path))


class _Programs(Sequence[Program]):
    """Those of some numbers; all chosen programs come first, then all rejected ones. Read when they are asked for."""

    def __init__(self, rows: Sequence[TokenizedPair], numbers: range) -> None:
        self._rows, self._numbers = rows, numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, index: int) -> Program:  # type: ignore[override]  # no slices of it are taken
        rejected, place = divmod(self._numbers[index], len(self._rows))
        row = self._rows[place]
        return row.prompt_ids, row.rejected_ids if rejected else row.chosen_ids


def _lengths(rows: Sequence[TokenizedPair]) -> tuple[np.ndarray, np.ndarray]:
    """Tokens of the prompt and of the program, of all chosen programs, then of all rejected ones."""
    programs = ((row.prompt_ids, row.chosen_ids, row.rejected_ids) for row in rows)
    prompts, chosen, rejected = np.fromiter((len(ids) for own in programs for ids in own), np.int64).reshape(-1, 3).T
    return np.concatenate([prompts, prompts]), np.concatenate([chosen, rejected])


def score_pairs(
    model: PreTrainedModel, rows: Sequence[TokenizedPair], *, batch_size: int, bf16: bool
) -> ReferenceLogps:
    """The log-probabilities under a model in this process, kept nowhere; arguments as of `score_sequences`."""
    programs = _Programs(rows, range(2 * len(rows)))
    scores = [score.tolist() for score in score_sequences(model, programs, batch_size=batch_size, bf16=bf16)]
    return ReferenceLogps(chosen=scores[: len(rows)], rejected=scores[len(rows) :])


def _share(path: Path, process: int) -> Path:
    return path.with_suffix(f".{process}.share")


def _merge(path: Path, starts: np.ndarray, processes: int) -> None:
    """Put the shares of all processes together, each of which has its own programs in their places."""
    paths = [_share(path, process) for process in range(processes)]
    shares = [np.memmap(share, np.float32, "r") for share in paths]
    pairs = len(starts) // 2

    def scores(number: int) -> np.ndarray:
        return shares[number % processes][starts[number] : starts[number + 1]]

    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    with ArrowWriter(features=_FEATURES, path=str(temporary)) as writer:
        for start in range(0, pairs, _ROWS):
            places = range(start, min(start + _ROWS, pairs))
            both = ([scores(side * pairs + place) for place in places] for side in range(2))
            writer.write_batch(dict(zip(_FEATURES, both, strict=True)))
        writer.finalize()
    temporary.replace(path)
    for share in paths:
        share.unlink()


def score_sequences(
    model: PreTrainedModel, sequences: Sequence[Program], *, batch_size: int, bf16: bool
) -> list[torch.Tensor]:
    """Log-probability of every completion token given all before it.

    Args:
        model: a causal language model.
        sequences: (prompt ids, completion ids).
        batch_size: sequences scored at once; similar lengths go together.
        bf16: run under bf16 autocast.

    Returns:
        For each sequence a float32 tensor as long as its completion, nats.
    """
    totals = np.array([len(prompt) + len(completion) for prompt, completion in sequences], dtype=np.int64)
    scores = dict(_score_each(model, sequences, totals, batch_size=batch_size, bf16=bf16))
    return [scores[index] for index in range(len(sequences))]


@torch.inference_mode()
def _score_each(
    model: PreTrainedModel, sequences: Sequence[Program], totals: np.ndarray, *, batch_size: int, bf16: bool
) -> Iterator[tuple[int, torch.Tensor]]:
    """Index and score of each sequence, the shortest first by their lengths, `totals`."""
    model.eval()
    order = np.argsort(totals, kind="stable")
    with show_progress("reference log-probabilities", len(order), unit="programs") as advance:
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size].tolist()
            yield from zip(batch, _score_batch(model, [sequences[index] for index in batch], bf16), strict=True)
            advance(len(batch))


def pad_programs(batch: Sequence[Program], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Prompts and completions as one batch, padded on the right: (programs, longest) ids and attention mask."""
    rows = [torch.tensor(prompt + completion, device=device) for prompt, completion in batch]
    lengths = torch.tensor([len(row) for row in rows], device=device)
    ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    return ids, (torch.arange(ids.shape[1], device=device) < lengths[:, None]).long()


def _score_batch(model: PreTrainedModel, batch: list[Program], bf16: bool) -> list[torch.Tensor]:
    input_ids, attention_mask = pad_programs(batch, model.device)
    with torch.autocast(model.device.type, dtype=torch.bfloat16, enabled=bf16):
        hidden = decoder_of(model)(
            input_ids=input_ids, attention_mask=attention_mask, use_cache=False
        ).last_hidden_state
        head = model.get_output_embeddings()
        # The first token of all is predicted from nothing, and counts for nothing: such a place has no label.
        places = [range(max(len(prompt), 1), len(prompt) + len(completion)) for prompt, completion in batch]
        rows = torch.tensor([row for row, own in enumerate(places) for _ in own], dtype=torch.long, device=model.device)
        columns = torch.tensor([column for own in places for column in own], dtype=torch.long, device=model.device)
        logps = label_logps(
            hidden[rows, columns - 1], head.weight, head.bias, input_ids[rows, columns], logit_transform(model.config)
        )
    scores = logps.cpu().split([len(own) for own in places])
    return [
        torch.nn.functional.pad(score, (len(completion) - len(score), 0))
        for score, (_, completion) in zip(scores, batch, strict=True)
    ]
