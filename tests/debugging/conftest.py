"""A model small enough for any test."""

from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint folder: untrained, and its tokenizer's tokens are words."""
    folder = tmp_path_factory.mktemp("model")
    words = Tokenizer(WordLevel({"?": 0, "</s>": 1, "return": 2, "x": 3}, unk_token="?"))
    words.pre_tokenizer = WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="?", eos_token="</s>", pad_token="</s>")
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    shape = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    config = LlamaConfig(vocab_size=4, eos_token_id=1, pad_token_id=1, bos_token_id=None, **shape)
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder
