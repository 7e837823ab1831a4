"""Make a checkpoint's generation config valid where transformers would refuse to load or to write it."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from transformers import GenerationConfig
from transformers.utils import cached_file

from iterpref_core.records import model_errors

from .checkpoints import ModelSource

NAME = "generation_config.json"
_TOKEN_IDS = ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id")


def plain_generation(suggested: GenerationConfig) -> GenerationConfig:
    """Return greedy decoding of the logits as they are, with the token ids of a checkpoint's suggestions.

    transformers takes settings that a call leaves unset from the checkpoint's `generation_config.json`: a repetition
    penalty there changes greedy answers.
    """
    return GenerationConfig(**{name: getattr(suggested, name) for name in _TOKEN_IDS})


def valid_generation(source: ModelSource) -> GenerationConfig | None:
    """Return the suggestions of a checkpoint's file, with as few changes as make them valid; None without a file.

    A temperature without `do_sample` is the common fault. It gets one, as files on the hub were corrected.

    Raises:
        ModelError: the file cannot be read.
    """
    name = source.name_or_path
    revision = source.revision
    with model_errors(source, NAME):
        path = cached_file(
            name,
            NAME,
            revision=revision,
            _raise_exceptions_for_missing_entries=False,
        )
        if path is None:
            return None
        written: dict[str, Any] = json.loads(Path(path).read_bytes())
    # As written, with sampling switched on, or the token ids alone: the first valid one.
    ids = {key: written[key] for key in _TOKEN_IDS if key in written}
    for values in (written, {"do_sample": True} | written, ids):
        with suppress(ValueError, TypeError):
            suggested = GenerationConfig(**values)
            suggested.validate(strict=True)
            return suggested
    return GenerationConfig()
