"""Model shape: what a configuration says about a model's size, without its weights."""

from dataclasses import dataclass
from pathlib import Path

import torch
from huggingface_hub import try_to_load_from_cache
from transformers import AutoModelForCausalLM, PreTrainedConfig

from iterpref_core.errors import ModelError
from iterpref_core.inference.local.checkpoints import locate_model, read_config


@dataclass(frozen=True)
class ModelShape:
    """Sizes of a decoder with attention in every layer.

    `parameters`: all of them, shared ones once. `layer`: those of one layer. `matrices`: entries of the linear layers
    of all decoder layers: each is one multiplication and one addition a token. `adapter`: parameters of LoRA on all of
    these, for every rank. `vocabulary` x `hidden`: the output head, `tied`
    if it is the embeddings too. `queries`, `keys`: width of all heads together.
    """

    parameters: int
    layer: int
    matrices: int
    adapter: int
    layers: int
    hidden: int
    intermediate: int
    queries: int
    keys: int
    heads: int
    vocabulary: int
    tied: bool
    gated: bool
    rms_norm: bool
    saved_in_bf16: bool


def read_local_config(model: str) -> PreTrainedConfig:
    """The configuration of a folder or hub id, from this machine alone.

    Raises:
        ModelError: it is not here, or of no known kind.
    """
    source = locate_model(model)
    if not Path(source.name_or_path).is_dir() and not isinstance(
        try_to_load_from_cache(source.name_or_path, "config.json", revision=source.revision), str
    ):
        raise ModelError(
            f"model {model!r}: its config.json is not on this machine; name a folder that holds it, or get it with "
            f"`hf download {source.name_or_path} config.json`; weights are not needed"
        )
    return read_config(model, local_only=True)


def read_shape(config: PreTrainedConfig) -> ModelShape:
    """The sizes of a model, counted on its modules, which are made without memory (on the meta device).

    Raises:
        ModelError: it is no decoder with attention and one feed-forward network in every layer.
    """
    text = config.get_text_config()
    unknown = ModelError(
        f"model type {text.model_type!r}: no estimate for it: every layer must be attention and one feed-forward "
        "network, as in Llama, Qwen2 and StarCoder2"
    )
    sizes = ("intermediate_size", "num_attention_heads", "num_hidden_layers")
    experts = getattr(text, "num_experts", None) or getattr(text, "num_local_experts", None)
    kinds = set(getattr(text, "layer_types", None) or ()) - {"full_attention", "sliding_attention"}
    if experts or kinds or not all(getattr(text, name, None) for name in sizes):
        raise unknown
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(text)
    layers = getattr(model.base_model, "layers", None)
    if layers is None:
        raise unknown
    linear = [module for module in layers.modules() if isinstance(module, torch.nn.Linear)]
    head_size = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    named = {name.rpartition(".")[2] for name, _ in layers[0].named_modules()}
    return ModelShape(
        parameters=sum(weight.numel() for weight in model.parameters()),
        layer=sum(weight.numel() for weight in layers[0].parameters()),
        matrices=sum(module.weight.numel() for module in linear),
        adapter=sum(module.in_features + module.out_features for module in linear),
        layers=text.num_hidden_layers,
        hidden=text.hidden_size,
        intermediate=text.intermediate_size,
        queries=text.num_attention_heads * head_size,
        keys=(getattr(text, "num_key_value_heads", None) or text.num_attention_heads) * head_size,
        heads=text.num_attention_heads,
        vocabulary=text.vocab_size,
        tied=bool(text.tie_word_embeddings),
        gated="gate_proj" in named or "gate_up_proj" in named,
        rms_norm=not any(isinstance(module, torch.nn.LayerNorm) for module in layers.modules()),
        saved_in_bf16=config.dtype in (torch.bfloat16, torch.float16),
    )
