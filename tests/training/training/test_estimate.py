"""The estimate against what a real step of the same model takes, tensor by tensor."""

import gc

import pytest
from transformers import AutoModelForCausalLM, LlamaConfig

from iterpref_core.records import OBJECTIVES, ConfigError
from iterpref_core.training.data.batches import PAD_TO_MULTIPLE_OF, Collator
from iterpref_core.training.estimate import estimate
from iterpref_core.training.estimate.estimate import CARDS, estimate_training
from iterpref_core.training.model.label_head import add_label_head, batch_logps
from iterpref_core.training.model.policy import checkpointing_options
from tests.settings import changed


def _config():
    return LlamaConfig(
        vocab_size=320, hidden_size=64, intermediate_size=96, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, tie_word_embeddings=True, dtype="float32",
    )  # fmt: skip


def _step_as_counted(rows, params, checkpointing):
    """Return the estimate of a training, whose bytes a real step takes."""
    settings = changed(params, gradient_checkpointing=checkpointing)
    found = estimate_training(_config(), rows, OBJECTIVES["target-rpo"], settings)

    model = AutoModelForCausalLM.from_config(_config()).train()
    if checkpointing:
        options = checkpointing_options(checkpointing)
        model.activation_checkpointing_enable(activation_checkpointing_kwargs=options)
    add_label_head(model)
    for weight in model.parameters():
        weight.register_post_accumulate_grad_hook(estimate._forget_gradient)
    longest = sorted(rows, key=lambda row: -row.length)[:4]
    batch = Collator(OBJECTIVES["target-rpo"], "fork", 0, PAD_TO_MULTIPLE_OF, unscored=True)(longest)
    gc.collect()
    gc.freeze()
    with estimate._Live(model) as live:
        batch_logps(model, batch, model.config).sum().backward()
    assert found.peak_bytes == pytest.approx(16 * found.parameters + live.peak, rel=0.1)
    assert found.parameters == found.trained == model.num_parameters()
    return found


def test_a_step_takes_what_was_counted_and_selective_checkpointing_repeats_no_matrix_product(rows, params):
    whole, selective, none = (_step_as_counted(rows, params, each) for each in (True, "selective", False))
    assert none.state_bytes == 16 * none.parameters
    assert none.steps == 6
    tokens = sum(2 * len(row.prompt_ids) + len(row.chosen_ids) + len(row.rejected_ids) for row in rows)
    assert 0.3 < none.flops / (6 * none.parameters * tokens * params.epochs) < 3
    assert all(none.fits(card) for card in CARDS)
    assert none.hours(CARDS[2]) > none.hours(CARDS[1])
    assert selective.flops == pytest.approx(none.flops, rel=0.01)
    assert whole.flops > 1.2 * none.flops
    assert whole.batch_bytes < selective.batch_bytes < 0.8 * none.batch_bytes


def test_cards_share_state_and_batches(rows, params, uncounted_step):
    lora, row = changed(params, lora={"r": 4}, micro_batch_size=1), OBJECTIVES["dpo"]
    one, four = (estimate_training(_config(), rows, row, lora, gpus=gpus) for gpus in (1, 4))
    assert one.trained < one.parameters / 3
    assert four.state_bytes == pytest.approx(one.state_bytes / 4, abs=4)
    assert four.gathered_bytes > one.gathered_bytes == 0
    assert (one.steps, four.flops) == (6, pytest.approx(one.flops))
    with pytest.raises(ConfigError, match=r"training\.batch_size: 4 is no multiple of .* x 3 processes"):
        estimate_training(_config(), rows, row, lora, gpus=3)
