"""Reference log-probabilities: per token, computed once, shared by all objectives.

Whatever tokens an objective weighs, its reference term is a weighted sum of these. They are kept outside of DVC's
outputs under a key of everything that decides them: model, token ids and precision.
"""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import PartialState
from filelock import FileLock
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel

from iterpref_core.progress import show_progress
from iterpref_core.training.dataset import TokenizedPair
from iterpref_core.training.label_head import decoder_of, label_logps, logit_transform


@dataclass(frozen=True)
class ReferenceLogps:
    """For every pair, log pi_ref of each token of y+ and of y- (nats, float32)."""

    chosen: list[list[float]]
    rejected: list[list[float]]


def reference_key(rows: Sequence[TokenizedPair], fingerprint: str, weights: torch.dtype, bf16: bool) -> str:
    """A digest of what decides the log-probabilities; masks do not."""
    digest = hashlib.sha256(json.dumps([fingerprint, str(weights), bf16, torch.__version__]).encode())
    for row in rows:
        digest.update(json.dumps([row.prompt_ids, row.chosen_ids, row.rejected_ids]).encode())
    return digest.hexdigest()[:32]


def reference_logps(
    load: Callable[[], PreTrainedModel],
    rows: Sequence[TokenizedPair],
    cache: Path,
    key: str,
    *,
    batch_size: int,
    bf16: bool,
    processes: PartialState,
) -> ReferenceLogps:
    """Read the log-probabilities from the cache, or compute and keep them.

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
    path = cache / f"{key}.safetensors"
    with FileLock(f"{path}.lock") if processes.is_main_process else nullcontext():
        processes.wait_for_everyone()  # whoever waits here finds what the lock's last holder wrote
        if not path.exists():
            sequences = _sequences(rows)
            own = sequences[processes.process_index :: processes.num_processes]
            scores = score_sequences(load(), own, batch_size=batch_size, bf16=bf16)
            _write(_share(path, processes.process_index), scores)
            processes.wait_for_everyone()
            if processes.is_main_process:
                _merge(path, sequences, processes.num_processes)
            processes.wait_for_everyone()
    return _split(load_file(path)["logps"], rows)


def score_pairs(
    model: PreTrainedModel, rows: Sequence[TokenizedPair], *, batch_size: int, bf16: bool
) -> ReferenceLogps:
    """The log-probabilities under a model in this process, kept nowhere; arguments as of `score_sequences`."""
    scores = score_sequences(model, _sequences(rows), batch_size=batch_size, bf16=bf16)
    return _split(torch.cat([torch.empty(0), *scores]), rows)


def _sequences(rows: Sequence[TokenizedPair]) -> list[tuple[list[int], list[int]]]:
    """(prompt ids, completion ids): of all chosen programs, then of all rejected ones, as `_split` takes them apart."""
    chosen = [(row.prompt_ids, row.chosen_ids) for row in rows]
    return chosen + [(row.prompt_ids, row.rejected_ids) for row in rows]


def _share(path: Path, process: int) -> Path:
    return path.with_suffix(f".{process}.share")


def _write(path: Path, scores: Sequence[torch.Tensor]) -> None:
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    save_file({"logps": torch.cat([torch.empty(0), *scores])}, temporary)
    temporary.replace(path)


def _merge(path: Path, sequences: Sequence[tuple[list[int], list[int]]], processes: int) -> None:
    """Put the shares of all processes in the order of the sequences."""
    shares = [_share(path, process) for process in range(processes)]
    scores: list[torch.Tensor] = [torch.empty(0)] * len(sequences)
    for process, share in enumerate(shares):
        lengths = [len(completion) for _, completion in sequences[process::processes]]
        scores[process::processes] = load_file(share)["logps"].split(lengths)
    _write(path, scores)
    for share in shares:
        share.unlink()


def _split(flat: torch.Tensor, rows: Sequence[TokenizedPair]) -> ReferenceLogps:
    lengths = [len(row.chosen_ids) for row in rows] + [len(row.rejected_ids) for row in rows]
    pieces = [piece.tolist() for piece in flat.split(lengths)]
    return ReferenceLogps(chosen=pieces[: len(rows)], rejected=pieces[len(rows) :])


@torch.inference_mode()
def score_sequences(
    model: PreTrainedModel, sequences: Sequence[tuple[list[int], list[int]]], *, batch_size: int, bf16: bool
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
    model.eval()
    order = sorted(range(len(sequences)), key=lambda index: sum(map(len, sequences[index])))
    scores: dict[int, torch.Tensor] = {}
    with show_progress("reference log-probabilities", len(order), unit="programs") as advance:
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size]
            scores.update(zip(batch, _score_batch(model, [sequences[index] for index in batch], bf16), strict=True))
            advance(len(batch))
    return [scores[index] for index in range(len(sequences))]


def _score_batch(model: PreTrainedModel, batch: list[tuple[list[int], list[int]]], bf16: bool) -> list[torch.Tensor]:
    tokens = [torch.tensor(prompt + completion, device=model.device) for prompt, completion in batch]
    input_ids = torch.nn.utils.rnn.pad_sequence(tokens, batch_first=True)
    lengths = torch.tensor([len(row) for row in tokens], device=model.device)
    attention_mask = (torch.arange(input_ids.shape[1], device=model.device) < lengths[:, None]).long()
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
