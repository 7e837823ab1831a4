"""Reference log-probabilities: per token, computed once, shared by all objectives.

The reference term of any objective is a weighted sum of these. They are kept outside of DVC's
outputs under a key of everything that decides them (model, adapters, token ids, precision and more), in a memory-mapped
array that all processes and objectives share. The model before training scores them as it is prepared for training,
sharded or not: no process holds a whole copy besides.
"""

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from accelerate.utils import gather_object
from filelock import FileLock
from peft import PeftModel
from transformers import PreTrainedModel

from iterpref_core.models.pretrained.freed_memory import FreedMemory
from iterpref_core.models.pretrained.lineage import training_versions
from iterpref_core.records.config import TrainingParams
from iterpref_core.storage.code_digest import code_digest
from iterpref_core.storage.progress import show_progress
from iterpref_core.training.data.tokenized_dataset import TokenizedDataset
from iterpref_core.training.data.tokenized_pair import TokenizedPair
from iterpref_core.training.model.parity import silent

Program = tuple[list[int], list[int]]
"""Prompt ids, completion ids."""


_DECISIVE = ("arguments", "bf16", "load", "lora", "micro_batch_size")
"""Settings that change something before the first step, and that the key has in no other form."""


def reference_path(
    cache: Path,
    tokens: str,
    fingerprint: str,
    params: TrainingParams,
    model: PreTrainedModel | PeftModel,
    processes: str,
) -> Path:
    """Return the path of the log-probabilities: its name is a digest of all that decides them, which masks do not.

    Args:
        cache: folder.
        tokens: a digest of all token ids.
        fingerprint: of the model's files, and of how it reads prompts.
        params: settings; the seed counts where adapters are drawn with it.
        model: the policy, whose precision, attention and device count.
        processes: their number, and how they share the weights; see `ranks.sharding`.
    """
    decided = {*_DECISIVE, "seed"} if params.lora is not None else {*_DECISIVE}
    settings = params.model_dump(mode="json", include=decided)
    code = code_digest("iterpref_core.models.pretrained", "iterpref_core.training.data", "iterpref_core.training.model")
    decisive = [
        tokens,
        fingerprint,
        settings,
        str(model.dtype),
        model.config._attn_implementation,  # noqa: SLF001 - transformers offers no other way to ask
        model.device.type,
        processes,
        code,
        training_versions(),
    ]
    return cache / f"{hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:32]}.npy"


def reference_logps(
    model: Any,
    rows: TokenizedDataset,
    path: Path,
    *,
    batch_size: int,
    processes: PartialState,
) -> np.ndarray:
    """Return the log-probabilities on disk, (tokens,) of all chosen programs and then all rejected.

    They are computed if they are not there.

    A lock makes objectives that train at the same time compute them once. Several processes each score their share,
    and the main process writes.

    Args:
        model: before training, with a label head, as it is prepared for training in this process.
        rows: the tokenized pairs.
        path: from `reference_path`.
        batch_size: sequences scored at once.
        processes: those that train together.
    """

    def program(number: int) -> Program:
        rejected, index = divmod(number, len(rows))
        row = rows[index]
        return row.prompt_ids, row.rejected_ids if rejected else row.chosen_ids

    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock") if processes.is_main_process else nullcontext():
        processes.wait_for_everyone()  # all who wait here find the file that the lock's last holder wrote
        if not path.exists():
            starts = rows.starts
            scores = np.empty(int(starts[-1]) if processes.is_main_process else 0, np.float32)
            for batch in score_programs(model, program, rows.totals, batch_size, processes):
                for number, score in gather_object(batch):
                    if processes.is_main_process:
                        scores[starts[number] : starts[number + 1]] = score
            if processes.is_main_process:
                partial = path.with_suffix(".partial")
                # In a memory-mapped file a full disk would be a signal, which ends the process, and no error.
                with partial.open("wb") as file:
                    np.save(file, scores)
                partial.replace(path)
            processes.wait_for_everyone()
    logps: np.ndarray = np.load(path, mmap_mode="r")
    return logps


@torch.no_grad()  # and not inference mode, in which sharded weights cannot be gathered
def score_programs(
    model: Any,
    program: Callable[[int], Program],
    totals: np.ndarray,
    batch_size: int,
    processes: PartialState | None = None,
) -> Iterator[list[tuple[int, np.ndarray]]]:
    """Score every completion token given all before it.

    Args:
        model: a causal language model with a label head.
        program: prompt ids and completion ids of each, by its number.
        totals: (programs,) tokens of each with its prompt; similar lengths go together, the shortest first.
        batch_size: sequences scored at once.
        processes: score every n-th program each, in as many forward passes each; None for one process.

    Yields:
        For each pass the numbers of its programs, each with float32 nats, as many as its completion has tokens.
    """
    model.eval()
    rank = processes.process_index if processes else 0
    world = processes.num_processes if processes else 1
    share = np.arange(len(totals))[rank::world]
    order = share[np.argsort(totals[share], kind="stable")]
    passes = math.ceil(math.ceil(len(totals) / world) / batch_size)
    freed_memory = FreedMemory()
    with show_progress("reference log-probabilities", len(order), unit="programs") as advance:
        for turn in range(passes):
            batch = order[turn * batch_size : (turn + 1) * batch_size].tolist()
            # A process that is done takes part in the others' passes, where weights are sharded.
            # Phi-MoE's router reads the number of its noise where it evaluates, too; it trains without.
            with silent(model):
                scores = score_batch(model, [program(number) for number in batch or [0]])
            yield [(number, score.numpy()) for number, score in zip(batch, scores, strict=False)]
            # Each pass is longer than all before it, so none finds its memory among the blocks that these freed.
            freed_memory.after_pass(next(model.parameters()).device)
            advance(len(batch))


def score_pairs(model: Any, rows: Sequence[TokenizedPair], *, batch_size: int) -> list[TokenizedPair]:
    """Return pairs with log-probabilities of a model in this process, which has a label head."""
    programs: list[Program] = []
    for row in rows:
        programs.append((row.prompt_ids, row.chosen_ids))
        programs.append((row.prompt_ids, row.rejected_ids))
    totals = np.array([len(prompt) + len(completion) for prompt, completion in programs])
    scores = dict(chain.from_iterable(score_programs(model, programs.__getitem__, totals, batch_size)))
    scored = []
    for number, row in enumerate(rows):
        chosen = scores[2 * number].tolist()
        rejected = scores[2 * number + 1].tolist()
        scored.append(replace(row, ref_chosen=chosen, ref_rejected=rejected))
    return scored


@torch.no_grad()
def score_batch(model: Any, batch: Sequence[Program]) -> list[torch.Tensor]:
    """Return the log-probabilities of a few programs' tokens, in nats; their rows are padded on the right."""
    device = next(model.parameters()).device
    rows = [torch.tensor(prompt + completion, device=device) for prompt, completion in batch]
    lengths = torch.tensor([len(row) for row in rows], device=device)
    ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    # Prompt "p q" and completion "a b" in the second row, of five positions: p q a b are at the positions 5 6 7 8. The
    # labels a and b are at 7 and 8, and are predicted at 6 and 7. The first token of a row without a prompt is
    # predicted from nothing: it has no label, and 0 for its log-probability.
    width = ids.shape[1]
    places: list[list[int]] = []
    for number, (prompt, completion) in enumerate(batch):
        first = number * width + max(len(prompt), 1)
        end = number * width + len(prompt) + len(completion)
        places.append(list(range(first, end)))
    positions = torch.tensor(list(chain.from_iterable(places)), dtype=torch.long, device=device)
    logps = model(
        input_ids=ids,
        attention_mask=(torch.arange(ids.shape[1], device=device) < lengths[:, None]).long(),
        label_positions=positions - 1,
        label_targets=ids.flatten()[positions],
        use_cache=False,
    )
    counts = [len(row_places) for row_places in places]
    scores = []
    for score, (_, completion) in zip(logps.cpu().split(counts), batch, strict=True):
        unpredicted = len(completion) - len(score)
        scores.append(torch.nn.functional.pad(score, (unpredicted, 0)))
    return scores
