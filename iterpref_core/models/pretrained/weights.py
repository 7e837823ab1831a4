"""Check the weights of a checkpoint before anything is spent, and load them in their precision."""

import json
import logging
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import safe_open
from transformers import AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel
from transformers.models.auto import modeling_auto
from transformers.utils import logging as transformers_logging

from iterpref_core.records import Bf16, ModelError, PromptFormat, model_errors, read_text

from .adapters import attach_adapters, check_adapters
from .chat_template import ChatTemplate
from .checkpoints import ModelSource, find_file, locate_model, pin_model, read_config
from .generation_config import valid_generation
from .tokenizers import load_chat_template

logger = logging.getLogger(__name__)

_ATTENTION = ("full_attention", "sliding_attention", "chunked_attention")
"""Kinds of layers that look at tokens alone, by the names in `config.layer_types`."""
_SUMMED = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_BF16_INSTRUCTIONS = ("avx512_bf16", "amx_bf16", "bf16")
"""Instructions of AMD's, Intel's and ARM's processors that multiply matrices of bfloat16, by PyTorch's names."""


def check_checkpoint(
    model: Path | str,
    prompt: PromptFormat | None = None,
    *,
    loaded: bool = True,
) -> Path | str:
    """Check configuration, tokenizer, chat template, and that all weights are there; their numbers are not read.

    Args:
        model: a folder or hub id, or a stage's folder that points at one.
        prompt: how the model reads prompts.
        loaded: true if this process will load the weights; the weights of a hub id are downloaded then.

    Returns:
        The model; a hub id with the commit that was checked, so that later readers read the same.

    Raises:
        ModelError: the first fault that was found.
    """
    source = pin_model(model)
    config = read_config(str(source))
    _check_kind(source, config)
    template = load_chat_template(str(source), prompt)
    if template.tokenizer.eos_token_id is None:
        raise ModelError(
            f"{source}: its tokenizer has no end token, so no answer would end; name one as eos_token in "
            "tokenizer_config.json"
        )
    template.check()
    _check_ids(source, config, template)
    check_adapters(source)
    quantized = getattr(config, "quantization_config", None) is not None
    if loaded and not quantized:  # modules of a quantized model are not made without weights
        _load(source, device_map="meta")
    is_folder = source.adapters is not None or Path(source.name_or_path).is_dir()
    return model if is_folder else str(source)


def _check_ids(source: ModelSource, config: PreTrainedConfig, template: ChatTemplate) -> None:
    """Refuse tokens that every text has, such as the end and the template's, where the embedding has no row for them.

    Raises:
        ModelError: the token, its id and the limit.
    """
    rows = getattr(config.get_text_config(), "vocab_size", None)
    tokenizer = template.tokenizer
    # The tokens that every text has: a rendered prompt, the end, and padding.
    written: list[int] = tokenizer(template.render_prompt("x"), add_special_tokens=template.plain)["input_ids"]
    needed = {tokenizer.pad_token_id, tokenizer.eos_token_id, template.end.token, *written} - {None}
    if rows is None or max(needed) < rows:
        return
    token = max(needed)
    raise ModelError(
        f"{source}: token {tokenizer.convert_ids_to_tokens(token)!r} has id {token:,} in tokenizer.json, and the "
        f"embedding has {rows:,} rows (vocab_size in config.json); save the model again after "
        "model.resize_token_embeddings(len(tokenizer)), or with its own tokenizer"
    )


def _check_kind(source: ModelSource, config: PreTrainedConfig) -> None:
    """Refuse other models than decoders: transformers loads them as decoders, which answer without sense or error."""
    kind = config.model_type
    is_decoder = getattr(config, "is_decoder", False)
    is_encoder = kind in modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES and not is_decoder
    if is_encoder or getattr(config, "is_encoder_decoder", False):
        raise ModelError(f"{source}: model_type {kind!r} in config.json is not a decoder; name a causal language model")


def load_model(model: Path | str, **options: Any) -> PreTrainedModel:
    """Return the causal language model of a folder or hub id, in its saved precision.

    Adapters are in the layers that they adapt, as they were trained: they are not merged, so they are not rounded.

    Args:
        model: a folder or hub id, or a folder of adapters, or a stage's folder.
        **options: for transformers' `from_pretrained`, such as `dtype`, which replaces the saved precision.

    Raises:
        ModelError: the model is absent, cannot be read, lacks weights, or has weights that are NaN or infinite.
    """
    source = locate_model(model)
    loaded = load_base(model, **options)
    if source.adapters is None:
        return loaded
    adapted: PreTrainedModel = attach_adapters(loaded, source).get_base_model()
    _check_numbers(adapted, source)
    return adapted


def load_base(model: Path | str, **options: Any) -> PreTrainedModel:
    """Return a model as `load_model` does, without its adapters.

    Raises:
        ModelError: as for `load_model`.
    """
    source = locate_model(model)
    loaded = _load(source, **options)
    _check_numbers(loaded, source)
    return loaded


def _check_numbers(loaded: PreTrainedModel, source: ModelSource) -> None:
    """Refuse weights that are NaN or infinite.

    Raises:
        ModelError: the first weight of this kind.
    """
    for name, weight in loaded.named_parameters():
        # A sum is one pass, at the speed of memory; a sum that is not finite may only have been too large. Of processes
        # that shard a model, some get its weights later and hold meta tensors.
        if weight.dtype in _SUMMED and not weight.is_meta and not weight.detach().sum().isfinite():
            bad = weight.numel() - int(weight.isfinite().sum())
            if bad:
                raise ModelError(
                    f"{source}: {bad:,} of the {weight.numel():,} numbers in {name} are NaN or infinite; "
                    "its training diverged or its file is damaged: take an earlier checkpoint, or download it again"
                )


def _load(source: ModelSource, **options: Any) -> PreTrainedModel:
    """Load a checkpoint. Weights that it lacks are an error: transformers would fill them with random numbers."""
    # An invalid generation config would stop the loading of good weights.
    generation = valid_generation(source)
    options.setdefault("dtype", "auto")
    level = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    loaded: PreTrainedModel
    try:
        with model_errors(source, "weights"):
            loaded, report = model_class(read_config(str(source))).from_pretrained(
                source.name_or_path,
                revision=source.revision,
                trust_remote_code=False,
                output_loading_info=True,
                generation_config=generation,
                **options,
            )
            _name_unplaced(frozenset({*report["unexpected_keys"], *_unreported(source, loaded)}))
    finally:
        transformers_logging.set_verbosity(level)
    missing = sorted(report["missing_keys"])
    if missing:
        remedy = "download the checkpoint again, or save all of it"
        if any("lm_head" in name for name in missing):
            remedy += "; where the head is the embedding, set tie_word_embeddings: true in config.json"
        raise ModelError(
            f"{source}: lacks {len(missing)} of the model's weights ({', '.join(missing[:3])}), which would be random "
            f"numbers; {remedy}"
        )
    head = loaded.get_output_embeddings()
    # A head of other numbers than the embedding is kept apart, even if config.json ties the two, as after a merge of
    # adapters. Nothing may tie them later, and what is written must say so.
    if head is not None and not head.weight.is_meta and head.weight is not loaded.get_input_embeddings().weight:
        for config in (loaded.config, loaded.config.get_text_config()):
            config.tie_word_embeddings = False
    return loaded


def _unreported(source: ModelSource, loaded: PreTrainedModel) -> Iterator[str]:
    """Yield the weights of a checkpoint that transformers leaves out by a list in the class of the model."""
    patterns = getattr(loaded, "_keys_to_ignore_on_load_unexpected", None)
    if not patterns:
        return
    names: Iterable[str] = ()
    place = source.name_or_path, source.revision
    if index := find_file(*place, "model.safetensors.index.json"):
        names = json.loads(read_text(Path(index)))["weight_map"]
    elif path := find_file(*place, "model.safetensors"):
        with safe_open(path, "pt") as file:
            names = file.keys()
    held = loaded.state_dict()
    for name in names:
        if name not in held and any(re.search(pattern, name) for pattern in patterns):
            yield name


@cache  # a model is loaded several times: to be checked, trained and written
def _name_unplaced(names: frozenset[str]) -> None:
    """Warn once of weights that transformers has no place for, as for layers that predict several tokens (`mtp.*`)."""
    if names:
        text = "transformers has no place for %d of the model's weights, and what is written lacks them: %s"
        logger.warning(text, len(names), ", ".join(sorted(names)[:3]))


def model_class(config: PreTrainedConfig) -> Any:
    """Return the class that holds all weights of a checkpoint: with a vision part the class that the checkpoint names.

    transformers' causal language model of the same configuration would leave the vision part out.
    """
    # A text model's configuration is its own text configuration.
    named = (config.architectures or [""])[0]
    if config.get_text_config() is not config and named.endswith("ForConditionalGeneration"):
        return getattr(transformers, named, AutoModelForCausalLM)
    return AutoModelForCausalLM


def empty_model(config: PreTrainedConfig, dtype: torch.dtype | None = None) -> PreTrainedModel:
    """Return the model of a configuration without numbers: its weights have shapes and take no memory."""
    kind = model_class(config)
    make = kind.from_config if kind is AutoModelForCausalLM else kind._from_config  # noqa: SLF001 - the same of one class
    with torch.device("meta"):
        return make(config, dtype=dtype)


def state_layer(config: PreTrainedConfig) -> str:
    """Return the kind of a layer that carries more along a row than tokens, such as a state; empty without one.

    Padding, or another program in the row, changes what it computes for the tokens after it.

    >>> state_layer(PreTrainedConfig(layer_types=["full_attention", "conv"]))
    'conv'
    """
    kinds = getattr(config.get_text_config(decoder=True), "layer_types", None) or ()
    return next((kind for kind in kinds if kind not in _ATTENTION), "")


def uses_bf16(choice: Bf16, device: str) -> bool:
    """Return True if a model is to compute in bfloat16 on a device (`cpu`, `cuda`, …).

    GPUs compute it faster, and so do CPUs that multiply it in one instruction. Other CPUs take twice as long, and so do
    Intel's with AVX512-BF16 and without AMX. A timing is not taken: on a busy machine it sometimes shows the opposite.

    >>> uses_bf16(False, "cuda")
    False
    """
    if choice != "auto" or device != "cpu":
        return choice is not False
    # On a CPU the instructions decide, unless ATEN_CPU_CAPABILITY keeps PyTorch's kernels from them: attention would
    # meet AMX, and fail.
    capabilities = torch.cpu.get_capabilities()
    if capabilities.get("avx512_f") and torch.backends.cpu.get_cpu_capability() != "AVX512":
        return False
    intel = str(capabilities.get("cpu_name", "")).startswith("Intel")
    for name in _BF16_INSTRUCTIONS:
        slow = intel and name == "avx512_bf16"
        if capabilities.get(name, False) and not slow:
            return True
    return False


def generation_dtype(choice: Bf16, saved: torch.dtype) -> torch.dtype:
    """Return the precision that a model generates with in this process.

    A GPU has room and speed for any type that a checkpoint was saved in, unless the parameters name another.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if choice == "auto" and device != "cpu":
        return saved
    return torch.bfloat16 if uses_bf16(choice, device) else torch.float32
