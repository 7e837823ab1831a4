"""Every causal architecture of transformers' registry, as a model small enough for tests."""

import re
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from transformers import PreTrainedModel

ARCHITECTURES = (
    "afmoe", "apertus", "arcee", "aria_text", "axk1", "axk2", "bailing_hybrid", "bamba", "bart", "beam", "bert",
    "bert-generation", "big_bird", "bigbird_pegasus", "biogpt", "bitnet", "blenderbot", "blenderbot-small", "bloom",
    "blt", "camembert", "codegen", "cohere", "cohere2", "cohere2_moe", "cohere_compass_text", "cpmant", "ctrl", "cwm",
    "data2vec-text", "dbrx", "deepseek_v2", "deepseek_v3", "deepseek_v32", "deepseek_v4", "diffllama", "doge",
    "dots1", "dots3_note", "dots3_note_text", "electra", "emu3", "ernie", "ernie4_5", "ernie4_5_moe", "exaone4",
    "exaone_moe", "falcon", "falcon_h1", "falcon_mamba", "flex_olmo", "flint", "fuyu", "gemma", "gemma2", "gemma3",
    "gemma3_text", "gemma3n", "gemma3n_text", "gemma4", "gemma4_assistant", "gemma4_text", "gemma4_unified",
    "gemma4_unified_assistant", "gemma4_unified_text", "git", "glm", "glm4", "glm4_moe", "glm4_moe_lite",
    "glm_moe_dsa", "got_ocr2", "gpt-sw3", "gpt2", "gpt_bigcode", "gpt_neo", "gpt_neox", "gpt_neox_japanese",
    "gpt_oss", "gptj", "granite", "granite_swa", "granitemoe", "granitemoe_swa", "granitemoehybrid",
    "granitemoeshared", "helium", "hrm_text", "hunyuan_v1_dense", "hunyuan_v1_moe", "hy_v3", "hy_v4", "hyperclovax",
    "inkling2_text", "inkling_text", "internlm3", "iquestcoder", "jais2", "jamba", "jetmoe", "kimi_linear",
    "kolibri1", "laguna", "lfm2", "lfm2_moe", "lfm3", "llama", "llama4", "llama4_text", "longcat_flash", "mamba",
    "mamba2", "marian", "mbart", "megatron-bert", "mellum", "mimo_v2_flash", "minicpm3", "minimax", "minimax_m2",
    "minimax_m3_vl_text", "ministral", "ministral3", "mistral", "mixtral", "mllama", "modernbert-decoder", "moshi",
    "moss_transcribe_diarize", "mpt", "musicgen", "musicgen_melody", "mvp", "nanochat", "nemotron", "nemotron_h",
    "olmo", "olmo2", "olmo3", "olmo_hybrid", "olmoe", "openai-gpt", "opt", "pegasus", "persimmon", "phi", "phi3",
    "phi4_multimodal", "phimoe", "plbart", "prophetnet", "qwen2", "qwen2_moe", "qwen3", "qwen3_5", "qwen3_5_moe",
    "qwen3_5_moe_text", "qwen3_5_text", "qwen3_moe", "qwen3_next", "qwen4_exp", "qwen4_exp_text", "recurrent_gemma",
    "reformer", "rembert", "roberta", "roberta-prelayernorm", "roc_bert", "roformer", "rwkv", "seed_oss", "smollm3",
    "solar_open", "stablelm", "starcoder2", "trocr", "vaultgemma", "whisper", "xglm", "xlm", "xlm-roberta",
    "xlm-roberta-xl", "xlnet", "xlstm", "xmod", "youtu", "zamba", "zamba2", "zaya",
)  # fmt: skip
"""Their names stand here, so that collecting tests need not import transformers; a test compares them."""
_SMALL: dict[str, Any] = {
    "vocab_size": 128, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 256, "n_embd": 32, "n_layer": 2, "n_head": 4,
    "n_positions": 256, "n_inner": 64, "d_model": 32, "n_layers": 2, "n_heads": 4, "ffn_dim": 64, "num_experts": 4,
    "num_local_experts": 4, "n_routed_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32, "moe_topk": 2,
    "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "sliding_window": 64, "rotary_dim": 4,
    "decoder_layers": 2, "decoder_attention_heads": 4, "decoder_ffn_dim": 64, "encoder_layers": 1,
    "encoder_attention_heads": 2, "encoder_ffn_dim": 32, "word_embed_proj_dim": 32,
}  # fmt: skip
_LATENT: dict[str, Any] = {
    "head_dim": 4, "qk_rope_head_dim": 4, "qk_nope_head_dim": 8, "v_head_dim": 8, "q_lora_rank": 16, "kv_lora_rank": 16,
    "num_key_value_heads": 4, "n_group": 1, "topk_group": 1,
}  # fmt: skip
"""Multi-head latent attention has sizes of its own."""
_STATES: dict[str, Any] = {
    "mamba_n_heads": 8, "mamba_d_head": 8, "mamba_d_state": 16, "mamba_d_ssm": 64, "mamba_chunk_size": 8,
    "mamba_expand": 2, "mamba_n_groups": 1,
}  # fmt: skip
_HYBRID: dict[str, Any] = {"layer_types": ["linear_attention", "full_attention"]}
_OWN: dict[str, dict[str, Any]] = {
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
_LARGEST = 3e7
_RANDOM = re.compile("drop|jitter|noise")


def _small_config(name: str) -> Any:
    from transformers import CONFIG_MAPPING

    kind = CONFIG_MAPPING[name]
    found = vars(default := kind())
    values = {key: value for key, value in _SMALL.items() if hasattr(default, key)}
    if "qk_rope_head_dim" in found:
        values |= {key: value for key, value in _LATENT.items() if hasattr(default, key)}
    values |= _OWN.get(name, {})
    values = {key: value for key, value in values.items() if value is not None}
    noisy = {key: 0.3 for key, value in found.items() if isinstance(value, float) and _RANDOM.search(key)}
    return kind(**values, **({} if name == "diffllama" else noisy))  # whose attention refuses dropout itself


def build_small(name: str) -> "PreTrainedModel":
    """A model of random weights, each of its forms of noise on; skips where transformers builds none that is small."""
    import torch
    from transformers import AutoModelForCausalLM

    try:
        config = _small_config(name)
        with torch.device("meta"):
            size = sum(weight.numel() for weight in AutoModelForCausalLM.from_config(config).parameters())
        if size > _LARGEST:
            pytest.skip("an architecture of parts, such as a vision tower, whose sizes are not set here")
        torch.manual_seed(0)
        model: PreTrainedModel = AutoModelForCausalLM.from_config(config).float()
    except Exception:  # noqa: BLE001 - whatever a configuration's own code raises
        pytest.skip("an architecture that cannot be built from sizes alone")
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.normal_(0, 0.15)
    return model
