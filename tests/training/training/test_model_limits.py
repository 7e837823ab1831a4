"""What a model cannot read is refused before anything is computed: with the token, the limit and the file."""

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, LlamaConfig

from iterpref_core.models.pretrained.weights import check_checkpoint
from iterpref_core.records import InputError, ModelError
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
        train("run", "sft", (inputs[0], model), layout="padded")
    assert not list((tmp_path / "run").rglob("*.npy"))
    assert not (tmp_path / "run" / "out").exists()


def test_a_stage_begins_with_the_limits(limited, inputs, train):
    rope = {"rope_type": "dynamic", "factor": 4.0, "rope_theta": 1e4}
    model = limited(
        AutoConfig.for_model("llama", **SHAPE, vocab_size=320, max_position_embeddings=POSITIONS, rope_parameters=rope)
    )
    with pytest.raises(InputError, match=rf"{model}: config\.json: rope_type"):
        train("run", "target-dpo", (inputs[0], model))


@pytest.fixture
def findings_of(tmp_path):
    """The findings for a configuration and a pair of `longest` tokens, with an id among them."""

    def findings(longest, largest_id=0, model_type="llama", **settings):
        AutoConfig.for_model(model_type, vocab_size=320, **SHAPE, **settings).save_pretrained(tmp_path)
        pair = TokenizedPair([0] * (longest - 1), [largest_id], [0], [0], [0])
        return [(each.stops, each.text) for each in limit_findings(tmp_path, checks_of([pair]))]

    return findings


def test_a_rotary_model_is_trained_beyond_its_positions_and_it_is_said(findings_of):
    ((stops, text),) = findings_of(POSITIONS + 1, max_position_embeddings=POSITIONS)
    assert not stops
    assert "max_position_embeddings is 16" in text
    assert "never trained on these lengths" in text
    assert not findings_of(POSITIONS, max_position_embeddings=POSITIONS)


@pytest.mark.parametrize(
    ("model_type", "rope", "positions"),
    [
        ("llama", {"rope_type": "dynamic", "factor": 4.0}, POSITIONS),
        ("phi3", {"rope_type": "longrope", "original_max_position_embeddings": POSITIONS, **FACTORS}, 64),
    ],
)
def test_frequencies_that_depend_on_the_batch_are_refused_where_a_pair_reaches_them(
    model_type, rope, positions, findings_of
):
    settings = {"max_position_embeddings": positions, "rope_parameters": rope | {"rope_theta": 1e4}}
    if model_type == "phi3":
        settings |= {"original_max_position_embeddings": POSITIONS, "pad_token_id": 0}
    *_, (stops, text) = findings_of(POSITIONS + 1, model_type=model_type, **settings)
    assert stops
    assert f"config.json: rope_type {rope['rope_type']!r} changes" in text
    assert "beyond 16 tokens" in text
    assert not findings_of(POSITIONS, model_type=model_type, **settings)


def test_an_id_beyond_the_embedding_is_named_with_the_limit(findings_of, tmp_path):
    assert not findings_of(5, 319)
    ((stops, text),) = findings_of(5, 320)
    assert stops
    assert f"{tmp_path}: config.json: vocab_size is 320, and there is a token id 320 " in text


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
