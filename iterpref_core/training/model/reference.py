"""Compute the reference's log-probabilities per token, once for all objectives.

The reference term of any objective is a weighted sum of these. They are kept outside of DVC's
outputs under a key of everything that decides them (model, adapters, token ids, precision and more), in a memory-mapped
array that all processes and objectives share. The model before training scores them in training's own batches, as it
is prepared for training, sharded or not: no process holds a second whole copy.
"""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from accelerate.utils import gather_object
from filelock import FileLock
from peft import PeftModel
from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from iterpref_core.models.pretrained.freed_memory import FreedMemory
from iterpref_core.models.pretrained.lineage import training_versions
from iterpref_core.models.pretrained.tokenizers import load_tokenizer
from iterpref_core.records import ConfigError, Layout, TrainingParams, digest_of
from iterpref_core.storage.digests import code_digest
from iterpref_core.storage.new_folder import new_path
from iterpref_core.storage.progress import show_progress

from ..data.batches import Batch, Collator
from ..data.tokenized_dataset import TokenizedDataset
from ..data.tokenized_pair import TokenizedPair
from .label_head import batch_logps
from .policy import load_policy

Scores = tuple[int, np.ndarray]
"""The number of a pair, and the log-probabilities of the tokens of y+ and then of y-, float32 nats."""

_DECISIVE = ("arguments", "bf16", "load", "lora", "micro_batch_size")
"""Settings that change something before the first step, and that the key has in no other form."""
TIMES_IN_REFERENCE = 4
"""A pass that scores the reference has this multiple of the pairs of training's: it keeps no activations, gradients or
optimizer's state."""


def reference_path(
    cache: Path,
    rows: TokenizedDataset,
    fingerprint: str,
    params: TrainingParams,
    model: PreTrainedModel | PeftModel,
    processes: str,
    layout: Layout,
) -> Path:
    """Return the path of the log-probabilities: its name is a digest of all that decides them, which masks do not.

    Args:
        cache: folder.
        rows: the tokenized pairs.
        fingerprint: of the model's files, and of how it reads prompts.
        params: settings; the seed counts where adapters are drawn with it.
        model: the policy, whose precision, attention and device count.
        processes: their number, and how they share the weights; see `ranks.sharding`.
        layout: how pairs are laid out in rows.
    """
    decided = {*_DECISIVE, "seed"} if params.lora is not None else {*_DECISIVE}
    settings = params.model_dump(mode="json", include=decided)
    code = code_digest("iterpref_core.models.pretrained", "iterpref_core.training.data", "iterpref_core.training.model")
    decisive = [
        rows.checks.tokens,
        fingerprint,
        settings,
        str(model.dtype),
        model.config._attn_implementation,  # noqa: SLF001 - transformers offers no other way to ask
        model.device.type,
        processes,
        layout,
        code,
        training_versions(),
    ]
    return cache / f"{digest_of(decisive)}.npy"


def load_reference(
    model: Path | str, params: TrainingParams, device: torch.device, tokenizer: PreTrainedTokenizerBase
) -> PreTrainedModel | PeftModel:
    """Return a reference that is another model than the trained one.

    Args:
        model: a folder or hub id.
        params: the settings of the training, with `bf16` decided.
        device: where it computes.
        tokenizer: of the model that is trained.

    Raises:
        ConfigError: the two models have different tokens.
        ModelError: the model is absent or cannot be read.
    """
    if load_tokenizer(model).get_vocab() != tokenizer.get_vocab():
        raise ConfigError(
            f"training.reference: {model} has other tokens than the model that is trained; name an earlier state of it"
        )
    whole = params.model_copy(update={"lora": None, "gradient_checkpointing": False})
    return load_policy(model, whole, device).to(device)


def has_scores(path: Path) -> bool:
    """Return True if the log-probabilities are there; remove a file that a power cut has shortened."""
    with suppress(FileNotFoundError, ValueError, EOFError):
        np.load(path, mmap_mode="r")
        return True
    path.unlink(missing_ok=True)
    return False


def reference_logps(
    model: Any,
    config: PreTrainedConfig,
    rows: TokenizedDataset,
    path: Path,
    *,
    collator: Collator,
    size: int,
    processes: PartialState,
) -> np.ndarray:
    """Return the log-probabilities on disk, (tokens,) of both programs of each pair; a program alone has none.

    They are computed if they are not there.

    A lock makes objectives that train at the same time compute them once. Several processes each score their share,
    and the main process writes.

    Args:
        model: before training, with a label head, as it is prepared for training in this process.
        config: of the model itself.
        rows: the tokenized pairs.
        path: from `reference_path`.
        collator: training's.
        size: pairs of a forward pass.
        processes: the processes that train together.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # One process of each training takes the lock; its others wait for it at the barrier below.
    with FileLock(f"{path}.lock") if processes.is_main_process else nullcontext():
        processes.wait_for_everyone()  # all who wait here find the file that the lock's last holder wrote
        # The main process alone has memory for all scores; the others send theirs.
        if not path.exists():
            scores = np.empty(int(rows.starts[-1]) if processes.is_main_process else 0, np.float32)
            by_length = np.argsort(-rows.checks.row_tokens, kind="stable")
            longest_first = by_length[rows.checks.is_pair[by_length]].tolist()
            for batch in score_rows(model, config, rows, longest_first, collator, size, processes):
                for number, logps in gather_object(batch):
                    if processes.is_main_process:
                        scores[rows.starts[number] : rows.starts[number + 1]] = logps
            if processes.is_main_process:
                # In a memory-mapped file a full disk would be a signal, which ends the process, and no error.
                with new_path(path) as partial, partial.open("wb") as file:
                    np.save(file, scores)
            processes.wait_for_everyone()
    found: np.ndarray = np.load(path, mmap_mode="r")
    return found


# In inference mode sharded weights could not be gathered.
@torch.no_grad()
def score_rows(
    model: Any,
    config: PreTrainedConfig,
    rows: Sequence[TokenizedPair],
    order: Sequence[int],
    collator: Collator,
    size: int,
    processes: PartialState,
) -> Iterator[list[Scores]]:
    """Score every token of both programs given all before it, and yield the scores of each forward pass.

    Args:
        model: a causal language model with a label head.
        config: of the model itself.
        rows: the pairs.
        order: their numbers: with the longest first, a batch that does not fit into memory ends the run in its first
            seconds.
        collator: training's; its objective does not count.
        size: pairs of a forward pass.
        processes: score a share of the pairs each, in equally many forward passes.
    """
    model.eval()
    collate = collator.of_every_token()
    at_once = size * processes.num_processes
    freed_memory = FreedMemory()
    device = next(model.parameters()).device
    with show_progress("reference log-probabilities", len(order), unit="pairs") as advance:
        for start in range(0, len(order), at_once):
            # With 2 processes and batches of 4, process 1 takes the pairs 4 to 7 of each eight.
            first = start + processes.process_index * size
            numbers = order[first : first + size]
            # A process that is done takes part in the others' passes, where weights are sharded.
            pairs = [rows[number] for number in numbers or order[:1]]
            laid_out = collate(pairs)
            batch = {name: values.to(device) for name, values in laid_out.items()}
            logps = batch_logps(model, batch, config).cpu().numpy()
            yield list(_scores_of(numbers, pairs, laid_out, logps))
            freed_memory.after_pass(device)
            advance(min(at_once, len(order) - start))


def _scores_of(
    numbers: Sequence[int], pairs: Sequence[TokenizedPair], batch: Batch, logps: np.ndarray
) -> Iterator[Scores]:
    """Yield the scores of the pairs of a batch."""
    pair_of_label, w_chosen, w_rejected = (batch[name].numpy() for name in ("pair", "w_chosen", "w_rejected"))
    for place, (number, pair) in enumerate(zip(numbers, pairs, strict=False)):
        # Labels of a pair lie together, in the order of its tokens.
        is_of_pair = pair_of_label == place
        chosen = _padded(logps[is_of_pair & (w_chosen > 0)], len(pair.chosen_ids))
        rejected = _padded(logps[is_of_pair & (w_rejected > 0)], len(pair.rejected_ids))
        yield number, np.concatenate([chosen, rejected])


def _padded(scores: np.ndarray, tokens: int) -> np.ndarray:
    """Return the scores, after a 0 for the first token of a row without a prompt, which no position predicts."""
    return np.pad(scores, (tokens - len(scores), 0))
