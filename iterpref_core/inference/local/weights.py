"""Weights of a checkpoint: all that the model has, and each of them a number.

What a checkpoint lacks, transformers fills with random numbers.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, PreTrainedModel, logging

from iterpref_core.errors import ModelError
from iterpref_core.inference.local.checkpoint_errors import reading
from iterpref_core.inference.local.checkpoints import locate_model
from iterpref_core.inference.local.generation_settings import suggested_generation

_SUMMED = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_NAMED = 3
"""Weights that a message names."""


def load_model(model: Path | str) -> PreTrainedModel:
    """The causal language model of a folder or hub id, in the precision it was saved in.

    Raises:
        ModelError: there is none, or it cannot be read, or lacks weights, or has some that are no numbers.
    """
    loaded = _load(model)
    for name, weight in loaded.named_parameters():
        # A sum is one pass, at the speed of memory; one that is not finite may only have been too large. Of processes
        # that shard a model, those that are sent its weights later hold none (meta).
        if weight.dtype in _SUMMED and not weight.is_meta and not weight.detach().sum().isfinite():
            bad = weight.numel() - int(weight.isfinite().sum())
            if bad:
                raise ModelError(
                    f"{locate_model(model)}: {bad:,} of the {weight.numel():,} numbers in {name} are NaN or infinite; "
                    "its training diverged or its file is damaged: take an earlier checkpoint, or download it again"
                )
    return loaded


def check_weights(model: Path | str) -> None:
    """Whether all weights are there and their files whole, without reading them; of a hub id they are downloaded.

    Raises:
        ModelError: as `load_model`, but for weights that are no numbers.
    """
    _load(model, device_map="meta")


def _load(model: Path | str, **options: Any) -> PreTrainedModel:
    source = locate_model(model)
    suggested_generation(source)  # transformers takes one that is broken for none
    with reading(source, "weights"), _without_tables():
        loaded, found = AutoModelForCausalLM.from_pretrained(
            source.name_or_path,
            revision=source.revision,
            dtype="auto",
            trust_remote_code=False,
            output_loading_info=True,
            **options,
        )
    missing = sorted(found["missing_keys"])
    if missing:
        remedy = "download the checkpoint again, or save all of it"
        if any("lm_head" in name for name in missing):
            remedy += "; where the head is the embedding, set tie_word_embeddings: true in config.json"
        raise ModelError(
            f"{source}: lacks {len(missing)} of the model's weights ({', '.join(missing[:_NAMED])}"
            f"{', …' * (len(missing) > _NAMED)}), which would be random numbers; {remedy}"
        )
    return loaded


@contextmanager
def _without_tables() -> Iterator[None]:
    """No table of missing weights on stderr: an error tells of them."""
    level = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
