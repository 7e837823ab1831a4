"""Every causal architecture of transformers' registry, as a model small enough for tests."""

import re

import pytest

FAMILIES = (
    "bert", "gemma2", "gemma3_text", "gpt2", "gpt_neox", "llama", "mamba", "mistral", "mixtral", "phi3", "qwen2",
    "qwen3",
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
_LATENT = {
    "head_dim": 4, "qk_rope_head_dim": 4, "qk_nope_head_dim": 8, "v_head_dim": 8, "q_lora_rank": 16, "kv_lora_rank": 16,
    "num_key_value_heads": 4, "n_group": 1, "topk_group": 1,
}  # fmt: skip
"""Multi-head latent attention has sizes of its own."""
_STATES = {
    "mamba_n_heads": 8, "mamba_d_head": 8, "mamba_d_state": 16, "mamba_d_ssm": 64, "mamba_chunk_size": 8,
    "mamba_expand": 2, "mamba_n_groups": 1,
}  # fmt: skip
_HYBRID = {"layer_types": ["linear_attention", "full_attention"]}
_OWN = {
    "bamba": _STATES | {"attn_layer_indices": [1]}, "falcon_h1": _STATES,
    "granitemoehybrid": _STATES | {"layer_types": ["linear_attention", "full_attention"]},
    "mamba2": {"num_heads": 8, "n_groups": 1, "state_size": 16, "chunk_size": 8},
    "falcon": {"num_kv_heads": 4, "head_dim": None},
    "gpt_neo": {"num_layers": 2, "num_heads": 4, "attention_types": [[["global", "local"], 1]]},
    "kimi_linear": _HYBRID | {"linear_head_dim": 8, "linear_num_heads": 4},
    "qwen3_5_moe_text": _HYBRID, "qwen3_5_text": _HYBRID, "qwen3_next": _HYBRID,
    "lfm3": {"layer_types": ["conv", "full_attention"]}, "bailing_hybrid": {"layer_group_size": 2},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1}, "recurrent_gemma": {"num_hidden_layers": 3},
    "dots1": {"n_shared_experts": 1, "first_k_dense_replace": 0},
}  # fmt: skip
_WINDOWS = ("sliding_window", "window_size", "attention_chunk_size", "keep_window_size", "attention_window_size")
_LARGEST = 3e7
_RANDOM = re.compile("drop|jitter|noise")


def other_architectures():
    """The names of all causal architectures in transformers' registry but `FAMILIES`."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    return sorted(set(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES) - set(FAMILIES))


def _small_config(name, window):
    from transformers import CONFIG_MAPPING

    kind = CONFIG_MAPPING[name]
    found = vars(default := kind())
    values = {key: value for key, value in _SMALL.items() if hasattr(default, key)}
    if "qk_rope_head_dim" in found:
        values |= {key: value for key, value in _LATENT.items() if hasattr(default, key)}
    values |= _OWN.get(name, {})
    values = {key: value for key, value in values.items() if value is not None}
    if window is not None:
        values |= {key: window for key in _WINDOWS if hasattr(default, key)}
    noisy = {key: 0.3 for key, value in found.items() if isinstance(value, float) and _RANDOM.search(key)}
    return kind(**values, **({} if name == "diffllama" else noisy))  # whose attention refuses dropout itself


def build_small(name, window=None):
    """A model of random weights, each of its forms of noise on; skips where transformers builds none that is small.

    With a window, its layers see so many tokens, under whatever name its configuration has that.
    """
    import torch
    from transformers import AutoModelForCausalLM

    try:
        config = _small_config(name, window)
        with torch.device("meta"):
            size = sum(weight.numel() for weight in AutoModelForCausalLM.from_config(config).parameters())
        if size > _LARGEST:
            pytest.skip("an architecture of parts, such as a vision tower, whose sizes are not set here")
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(config).float()
    except Exception:  # noqa: BLE001 - whatever a configuration's own code raises
        pytest.skip("an architecture that cannot be built from sizes alone")
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.normal_(0, 0.15)
    return model
