"""The estimate against what steps of real models took, on a GPU and here, and the hours by hand."""

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, Qwen2Config, Qwen3MoeConfig

from iterpref_core.records import OBJECTIVES, ConfigError
from iterpref_core.training.data.batches import PAD_TO_MULTIPLE_OF, Collator
from iterpref_core.training.data.tokenized_pair import TokenizedPair
from iterpref_core.training.estimate import CARDS, estimate_training
from iterpref_core.training.model.label_head import add_label_head, batch_logps
from iterpref_core.training.model.policy import checkpointing_options
from tests.architectures import FAMILIES, build_small
from tests.settings import changed

_RPO = OBJECTIVES["target-rpo"]


def _config(**settings):
    sizes = {"vocab_size": 320, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 6}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "tie_word_embeddings": True}
    return LlamaConfig(**sizes | heads | {"dtype": "float32"} | settings)


def _kept_bytes(rows, checkpointing):
    """Return the bytes that the forward pass of the longest rows keeps for its backward."""
    model = AutoModelForCausalLM.from_config(_config()).train()
    if checkpointing:
        options = checkpointing_options(checkpointing)
        model.activation_checkpointing_enable(activation_checkpointing_kwargs=options)
    add_label_head(model)
    weights = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    kept = {}

    def keep(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage()
        return tensor

    longest = sorted(rows, key=lambda row: -row.length)[:4]
    batch = Collator(_RPO, "fork", 0, PAD_TO_MULTIPLE_OF, unscored=True)(longest)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        batch_logps(model, batch, model.config).sum()
    return sum(storage.nbytes() for place, storage in kept.items() if place not in weights)


def test_a_forward_pass_keeps_about_what_is_counted_for_its_layers(rows, params):
    def counted(layers):
        found = estimate_training(_config(num_hidden_layers=layers), rows, _RPO, params)
        assert found.state_bytes == 16 * found.parameters == 16 * found.trained
        return found.batch_bytes

    assert counted(9) - counted(3) == pytest.approx(_kept_bytes(rows, False), rel=0.25)


def test_checkpointing_keeps_less_and_full_checkpointing_computes_again(rows, params):
    none, selective, whole = (
        estimate_training(_config(), rows, _RPO, changed(params, gradient_checkpointing=each))
        for each in (False, "selective", True)
    )
    assert whole.batch_bytes < selective.batch_bytes < 0.8 * none.batch_bytes
    assert selective.flops == none.flops < whole.flops


def test_hours_are_six_flops_a_weight_and_token_on_the_peak_of_a_card(params):
    """Of 4 pairs: 3 + 4 tokens that predict another, and one of the rejected suffix; the reference reads 2 of it."""
    row = TokenizedPair([1, 2, 3], [4, 5, 6, 7, 8], [4, 5, 9, 8], [0, 0, 1, 0], [1] * 5)
    config = _config()
    model = AutoModelForCausalLM.from_config(config)
    layers = sum(weight.numel() for weight in model.model.layers.parameters())
    settings = changed(params, epochs=3)
    found = estimate_training(config, [row] * 4, _RPO, settings)
    sft = estimate_training(config, [row] * 4, OBJECTIVES["sft"], settings)
    # Of the 32 positions that are computed at once 4 x 6 have a label, and for SFT 4 x 5.
    assert sft.flops == pytest.approx(6 * (layers + 320 * 64 * 20 / 32) * 3 * 4 * 7, rel=1e-3)
    assert found.flops == pytest.approx(2 * (layers + 320 * 64 * 24 / 32) * 4 * (3 * 3 * 8 + 9), rel=1e-3)
    a100 = CARDS[2]
    assert found.hours(a100) == pytest.approx(found.flops / (0.4 * 312e12) / 3600)


def test_steps_beyond_the_epochs_cost_hours_and_other_optimizers_save_memory(rows, params):
    usual = estimate_training(_config(), rows, OBJECTIVES["sft"], params)
    longer = estimate_training(_config(), rows, OBJECTIVES["sft"], changed(params, arguments={"max_steps": 30}))
    assert (usual.steps, longer.steps) == (6, 30)
    assert longer.flops == pytest.approx(5 * usual.flops)
    for optimizer, moments in (("adamw_8bit", 2.03), ("adafactor", 0), ("sgd", 0)):
        small = estimate_training(_config(), rows, OBJECTIVES["sft"], changed(params, arguments={"optim": optimizer}))
        assert small.state_bytes == pytest.approx((4 + 4 + moments) * usual.parameters, rel=1e-3)


def test_a_token_costs_its_experts_alone(rows, params):
    sizes = {
        "hidden_size": 64,
        "moe_intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_experts": 8,
        "vocab_size": 320,
    }
    two, all_of_them = (
        estimate_training(Qwen3MoeConfig(**sizes, num_experts_per_tok=chosen), rows, OBJECTIVES["sft"], params)
        for chosen in (2, 8)
    )
    assert two.state_bytes == all_of_them.state_bytes
    assert all_of_them.flops / two.flops > 1.1


def test_an_h200_took_for_7b_what_is_counted(params):
    """63.11 GB at peak for pairs of 2,540 tokens, two at a time, and 76 GB of state (docs/training-settings.md)."""
    qwen = Qwen2Config(
        vocab_size=152_064, hidden_size=3584, intermediate_size=18_944, num_hidden_layers=28, num_attention_heads=28,
        num_key_value_heads=4,
    )  # fmt: skip
    row = TokenizedPair([1] * 500, [2] * 770, [2] * 600 + [3] * 170, [0] * 600 + [1] * 170, [1] * 770)
    recipe = {"bf16": True, "gradient_checkpointing": True, "batch_size": 32, "micro_batch_size": 2}
    found = estimate_training(qwen, [row] * 4, _RPO, changed(params, **recipe, load="bf16"))
    assert found.peak_bytes == pytest.approx(63.11e9, rel=0.05)
    held = changed(params, **recipe, arguments={"optim": "adamw_8bit"})
    assert estimate_training(qwen, [row] * 4, _RPO, held).state_bytes == pytest.approx(76e9, rel=0.01)


@pytest.mark.parametrize("name", sorted({*FAMILIES} - {"bert"}))
def test_every_architecture_is_counted(name, rows, params):
    found = estimate_training(build_small(name).config, rows, _RPO, params)
    assert found.peak_bytes > found.state_bytes == 16 * found.parameters
    assert found.flops > 0


def test_cards_share_state_and_batches(rows, params):
    lora, row = changed(params, lora={"r": 4}, micro_batch_size=1), OBJECTIVES["dpo"]
    one, four = (estimate_training(_config(), rows, row, lora, gpus=gpus) for gpus in (1, 4))
    assert one.trained < one.parameters / 3
    assert four.state_bytes == pytest.approx(one.state_bytes / 4, abs=4)
    assert four.gathered_bytes > one.gathered_bytes == 0
    assert (one.steps, four.flops) == (6, pytest.approx(one.flops))
    assert all(one.fits(card) for card in CARDS)
    with pytest.raises(ConfigError, match=r"training\.batch_size: 4 is no multiple of .* x 3 processes"):
        estimate_training(_config(), rows, row, lora, gpus=3)
