"""What a model cannot read is refused before anything is computed: with the token, the limit and the file."""

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, LlamaConfig

from iterpref_core.models.pretrained.weights import check_checkpoint
from iterpref_core.records.errors import InputError, ModelError
from iterpref_core.training.data.tokenized_pair import TokenizedPair
from iterpref_core.training.model.model_limits import limit_findings

from .conftest import checks_of

SHAPE = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
}
POSITIONS = 16
FACTORS = {"short_factor": [1.0] * 8, "long_factor": [4.0] * 8}


@pytest.fixture
def limited(tokenizer, tmp_path):
    """Writes a checkpoint of a configuration, of the tokenizer's vocabulary."""

    def make(config):
        torch.manual_seed(0)
        config.eos_token_id = tokenizer.eos_token_id
        config.bos_token_id = None
        AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path / "limited")
        tokenizer.save_pretrained(tmp_path / "limited")
        return tmp_path / "limited"

    return make


@pytest.mark.parametrize("model_type", ["gpt2", "opt", "gptj"])
def test_pairs_beyond_a_table_of_positions_are_refused(model_type, limited, inputs, train, tmp_path):
    sizes = {"max_position_embeddings": POSITIONS, "ffn_dim": 32, "word_embed_proj_dim": 32, "rotary_dim": 4}
    model = limited(AutoConfig.for_model(model_type, vocab_size=320, **SHAPE, **sizes))
    with pytest.raises(ModelError, match=rf"^{model_type}: cannot be run on tokens alone, .*max_length"):
        train("run", "sft", (*inputs[:2], model), layout="padded")
    assert not list((tmp_path / "run").rglob("*.npy"))
    assert not (tmp_path / "run" / "out").exists()


def test_a_rotary_model_is_trained_beyond_its_positions_and_it_is_said(limited, inputs, train, caplog):
    model = limited(LlamaConfig(**SHAPE, vocab_size=320, max_position_embeddings=POSITIONS))
    train("run", "sft", (*inputs[:2], model), epochs=1)
    assert "max_position_embeddings is 16" in caplog.text
    assert "never trained on these lengths" in caplog.text


@pytest.mark.parametrize(
    ("model_type", "settings"),
    [
        (
            "llama",
            {
                "max_position_embeddings": POSITIONS,
                "rope_parameters": {"rope_type": "dynamic", "factor": 4.0, "rope_theta": 1e4},
            },
        ),
        (
            "phi3",
            {
                "max_position_embeddings": 64, "original_max_position_embeddings": POSITIONS, "pad_token_id": 0,
                "rope_parameters": {
                    "rope_type": "longrope", "rope_theta": 1e4, "original_max_position_embeddings": POSITIONS,
                    **FACTORS,
                },
            },
        ),
    ],
    ids=["dynamic", "longrope"],
)  # fmt: skip
def test_frequencies_that_depend_on_the_batch_are_refused_where_a_pair_reaches_them(
    model_type, settings, limited, inputs, train
):
    model = limited(AutoConfig.for_model(model_type, **SHAPE, vocab_size=320, **settings))
    with pytest.raises(InputError, match=rf"{model}: config\.json: rope_type .* beyond 16 tokens"):
        train("run", "target-dpo", (*inputs[:2], model))
    assert list(_limits(model, POSITIONS)) == []


def _limits(model, longest, largest_id=0):
    """The findings of a pair of `longest` tokens, with this id among them."""
    pair = TokenizedPair([0] * (longest - 1), [largest_id], [0], [0], [0])
    return limit_findings(model, checks_of([pair]))


def test_an_id_beyond_the_embedding_is_named_with_the_limit(limited):
    model = limited(LlamaConfig(**SHAPE, vocab_size=320))
    assert list(_limits(model, 5, 319)) == []
    (found,) = _limits(model, 5, 320)
    assert found.stops
    assert f"{model}: config.json: vocab_size is 320, and there is a token id 320 " in found.text


@pytest.mark.parametrize("missing", ["pad", "end", "template"])
def test_tokens_of_every_text_are_looked_up_before_anything_is_done(missing, tokenizer, limited):
    model = limited(LlamaConfig(**SHAPE, vocab_size=len(tokenizer)))
    added = type(tokenizer).from_pretrained(model)
    added.add_special_tokens({"additional_special_tokens": ["<new>"]})
    if missing == "template":
        added.chat_template = "{% for m in messages %}<new>{{ m['content'] }}<|end|>{% endfor %}"
    else:
        setattr(added, {"pad": "pad_token", "end": "eos_token"}[missing], "<new>")
    added.save_pretrained(model)
    said = rf"{model}: token '<new>' has id {len(tokenizer):,} in tokenizer\.json, .* has {len(tokenizer):,} rows"
    with pytest.raises(ModelError, match=said):
        check_checkpoint(model)
