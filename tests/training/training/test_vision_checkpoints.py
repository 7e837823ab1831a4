"""Of a checkpoint with a vision part the language part is trained, and all weights are saved."""

import pytest
import torch
import transformers
from safetensors.torch import load_file

from iterpref_core.models.pretrained.checkpoints import read_config
from iterpref_core.models.pretrained.weights import load_base, load_model
from iterpref_core.records import OBJECTIVES
from iterpref_core.training.estimate import estimate_training
from tests.settings import moved

from .conftest import read_weights

_TEXT = {
    "vocab_size": 320, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 512, "bos_token_id": 0, "eos_token_id": 1,
    "pad_token_id": 0,
}  # fmt: skip
_QWEN_VISION = {
    "depth": 1, "hidden_size": 32, "intermediate_size": 64, "num_heads": 4, "out_hidden_size": 32, "patch_size": 14,
}  # fmt: skip
_QWEN_IDS = {"image_token_id": 5, "video_token_id": 6, "vision_start_token_id": 7, "vision_end_token_id": 8}
_MROPE = _TEXT | {"rope_scaling": {"rope_type": "default", "mrope_section": [1, 1, 2]}}
_LINEAR = {
    "linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 8, "linear_value_head_dim": 8,
    "layer_types": ["linear_attention", "full_attention"],
}  # fmt: skip
CONFIGS = {
    "Qwen2_5_VL": {"text_config": _MROPE, "vision_config": _QWEN_VISION, **_QWEN_IDS},
    "Qwen3_5": {
        "text_config": _TEXT | _LINEAR,
        "vision_config": _QWEN_VISION | {"num_position_embeddings": 16},
        **_QWEN_IDS,
    },
    "Llama4": {
        "text_config": _TEXT | {"intermediate_size_mlp": 64, "num_local_experts": 2, "attention_chunk_size": 512},
        "vision_config": {
            "hidden_size": 32, "intermediate_size": 128, "num_hidden_layers": 1, "num_attention_heads": 4,
            "image_size": 28, "patch_size": 14, "vision_output_dim": 32, "projector_input_dim": 32,
            "projector_output_dim": 32,
        },
        "image_token_index": 5,
    },
}  # fmt: skip


@pytest.fixture
def checkpoint(request, tokenizer, tmp_path):
    """A folder of a tiny model, with the processor's file."""
    config = getattr(transformers, f"{request.param}Config")(**CONFIGS[request.param])
    torch.manual_seed(moved(0))
    folder = tmp_path / "base"
    getattr(transformers, f"{request.param}ForConditionalGeneration")(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text("{}\n")
    return folder


@pytest.mark.filterwarnings("ignore")  # of kernels that are not installed
@pytest.mark.parametrize(
    ("checkpoint", "lora"),
    [("Qwen2_5_VL", None), ("Qwen3_5", None), ("Llama4", {"r": 2, "exclude_modules": ["router"]})],
    indirect=["checkpoint"],
)
def test_the_language_part_is_trained_and_answers_and_all_weights_are_saved_and_counted(
    lora, checkpoint, inputs, train, rows, params, tmp_path
):
    before = load_file(checkpoint / "model.safetensors")
    train("run", "target-rpo", (inputs[0], checkpoint), epochs=1, lora=lora)
    after = read_weights(tmp_path / "run")
    assert after.keys() == before.keys()
    others = {name for name in before if "vision" in name or "visual" in name or "projector" in name}
    changed = {name for name, weight in before.items() if not torch.equal(after[name], weight)}
    assert changed
    assert not changed & others
    out = tmp_path / "run" / "out"
    config = read_config(out)
    assert config.architectures == read_config(checkpoint).architectures
    assert (out / "preprocessor_config.json").is_file()
    assert type(load_base(out)).__name__ == config.architectures[0]
    assert load_model(out).generate(torch.tensor([[11, 12, 13]]), max_new_tokens=3).shape[1] > 3
    found = estimate_training(config, rows, OBJECTIVES["target-rpo"], params)
    assert found.parameters == sum(weight.numel() for weight in before.values())
    assert found.parameters - found.trained == sum(before[name].numel() for name in others)
