"""Causal architectures of transformers, as models small enough for tests."""

import re

from tests.settings import moved

FAMILIES = (
    "bert", "gemma2", "gemma3_text", "gpt2", "gpt_neox", "llama", "mamba", "mistral", "mixtral", "phi3",
    "phimoe", "qwen2", "qwen3",
)  # fmt: skip
"""One of each kind: full attention and sliding windows, experts, states, learned positions, an encoder."""
_SMALL = {
    "vocab_size": 128, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 256, "n_embd": 32, "n_layer": 2, "n_head": 4,
    "n_positions": 256, "n_inner": 64, "d_model": 32, "n_layers": 2, "n_heads": 4, "ffn_dim": 64, "num_experts": 4,
    "num_local_experts": 4, "n_routed_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32, "moe_topk": 2,
    "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "sliding_window": 64, "rotary_dim": 4,
    "decoder_layers": 2, "decoder_attention_heads": 4, "decoder_ffn_dim": 64, "encoder_layers": 1,
    "encoder_attention_heads": 2, "encoder_ffn_dim": 32, "word_embed_proj_dim": 32,
}  # fmt: skip
_WINDOWS = ("sliding_window", "window_size", "attention_chunk_size", "keep_window_size", "attention_window_size")
_LAYERS = {"lfm2": ["conv", "full_attention"], "qwen3_next": ["linear_attention", "full_attention"]}
"""Kinds of layers, one of each, where two layers would be of one kind."""
_RANDOM = re.compile("drop|jitter|noise")


def build_small(name, window=None):
    """A model of random weights, each of its forms of noise on.

    With a window, its layers see so many tokens, under whatever name its configuration has that.
    """
    import torch
    from transformers import CONFIG_MAPPING, AutoModelForCausalLM

    kind = CONFIG_MAPPING[name]
    found = vars(default := kind())
    values = {key: value for key, value in _SMALL.items() if hasattr(default, key)}
    if name in _LAYERS:
        values["layer_types"] = _LAYERS[name]
    if window is not None:
        values |= {key: window for key in _WINDOWS if hasattr(default, key)}
    noisy = {key: 0.3 for key, value in found.items() if isinstance(value, float) and _RANDOM.search(key)}
    torch.manual_seed(moved(0))
    model = AutoModelForCausalLM.from_config(kind(**values, **noisy)).float()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.normal_(0, 0.15)
    return model
