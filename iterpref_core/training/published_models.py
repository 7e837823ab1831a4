"""Published models' shapes, as in their config.json: for costs and benchmarks, which need no weights."""

from transformers import LlamaConfig, PreTrainedConfig, Qwen2Config

_QWEN = {
    "dtype": "bfloat16", "max_position_embeddings": 32_768, "bos_token_id": 151_643, "eos_token_id": 151_643,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1e6}, "vocab_size": 152_064, "tie_word_embeddings": False,
}  # fmt: skip
_SMALL_QWEN = _QWEN | {"vocab_size": 151_936, "tie_word_embeddings": True}


def published_models() -> dict[str, PreTrainedConfig]:
    """Configurations, by name."""
    return {
        "Qwen2.5-Coder-0.5B": Qwen2Config(
            **_SMALL_QWEN, hidden_size=896, intermediate_size=4864, num_hidden_layers=24, num_attention_heads=14,
            num_key_value_heads=2,
        ),
        "Qwen2.5-Coder-1.5B": Qwen2Config(
            **_SMALL_QWEN, hidden_size=1536, intermediate_size=8960, num_hidden_layers=28, num_attention_heads=12,
            num_key_value_heads=2,
        ),
        "Qwen2.5-Coder-7B": Qwen2Config(
            **_QWEN, hidden_size=3584, intermediate_size=18_944, num_hidden_layers=28, num_attention_heads=28,
            num_key_value_heads=4,
        ),
        "Qwen2.5-Coder-32B": Qwen2Config(
            **_QWEN, hidden_size=5120, intermediate_size=27_648, num_hidden_layers=64, num_attention_heads=40,
            num_key_value_heads=8,
        ),
        "Llama-3.1-70B": LlamaConfig(
            vocab_size=128_256, hidden_size=8192, intermediate_size=28_672, num_hidden_layers=80,
            num_attention_heads=64, num_key_value_heads=8, tie_word_embeddings=False, dtype="bfloat16",
        ),
    }  # fmt: skip
