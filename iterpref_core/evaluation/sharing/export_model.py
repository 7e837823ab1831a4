"""Export a trained model as a plain, self-contained Hugging Face folder."""

from collections import Counter
from pathlib import Path
from typing import Any

import torch

from iterpref_core.models.pretrained.adapters import attach_adapters
from iterpref_core.models.pretrained.checkpoints import locate_model
from iterpref_core.models.pretrained.lineage import read_lineage, write_lineage
from iterpref_core.models.pretrained.tokenizers import load_tokenizer
from iterpref_core.models.pretrained.weights import load_base
from iterpref_core.models.saving import copy_files
from iterpref_core.records import ModelError, Problem
from iterpref_core.storage.data_card import CARD
from iterpref_core.storage.jsonl import read_jsonl, write_text
from iterpref_core.storage.new_folder import new_folder
from iterpref_core.training.model.parity import rounding_scale

_TRIED = 16
"""The number of tokens for comparing a merged model with its base and adapters."""


def export_model(
    model: Path,
    out: Path,
    card: str,
) -> dict[str, float | str]:
    """Write weights (safetensors), tokenizer, generation config, model card, and the lineage where it is known.

    The folder appears whole or not at all.

    Args:
        model: a checkpoint folder, or a folder of LoRA adapters, which are merged into their base.
        out: absent or empty.
        card: text of its README.md.

    Returns:
        `out`, and how many `parameters` the model has.

    Raises:
        InputError: `out` holds something, or the model cannot be loaded.
    """
    with new_folder(out) as partial:
        source = locate_model(model)
        loaded = load_base(model)
        if source.adapters is not None:
            loaded = _merge(attach_adapters(loaded, source), model)
        loaded.save_pretrained(partial)
        copy_files(model, partial, load_tokenizer(model))
        write_text(partial / CARD, card)
        lineage = read_lineage(model)
        if lineage:
            write_lineage(partial, lineage)
    return {"out": str(out), "parameters": float(loaded.num_parameters())}


@torch.no_grad()
def _merge(adapted: Any, model: Path) -> Any:
    """Merge adapters into their base.

    Raises:
        ModelError: the merged model predicts otherwise than the base with its adapters does. One weight that is both
            embedding and head cannot take an adapter of only one of them.
    """
    adapted.eval()
    ids = torch.arange(_TRIED)[None] % adapted.get_input_embeddings().weight.shape[0]
    # Compare logits before and after the merge on a few tokens.
    before = adapted(input_ids=ids).logits.float()
    merged = adapted.merge_and_unload()
    after = merged(input_ids=ids).logits.float()
    difference = float((after - before).abs().median())
    if difference > rounding_scale(before, merged.dtype):
        raise ModelError(
            f"{model}: merging these adapters changes the model (logits differ by {difference:.2g}): a weight that "
            "they adapt is tied to another, as the embedding to the head; train adapters without embed_tokens and "
            "lm_head, or serve the base with its adapters"
        )
    return merged


def count_sources(problems: Path) -> dict[str, int]:
    """Return the sources of the problems that pairs are made of: source → number.

    Raises:
        RecordError: a line is broken.
    """
    counts: Counter[str] = Counter()
    for problem in read_jsonl(problems, Problem):
        if problem.split in (None, "codeflow"):
            counts[problem.source or "unnamed"] += 1
    return dict(sorted(counts.items()))
