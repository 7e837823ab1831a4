"""A tokenizer splits text as its tokenizer.json says, whatever class the configuration makes transformers choose."""

import json

import pytest
import transformers
from tokenizers import Tokenizer

from iterpref_core.models.pretrained.tokenizers import load_tokenizer
from iterpref_core.nanolab.embedded_models import train_tokenizer

TEXT = "def solve_1(xs):\n    total = (12 + 345) * 6\n\treturn '  é'\n"


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ("Qwen2Config", "TokenizersBackend"),
        ("Qwen2Config", "Qwen2Tokenizer"),
        ("LlamaConfig", "LlamaTokenizerFast"),  # as DeepSeek-Coder has it, whose tokens are bytes
        ("LlamaConfig", "TokenizersBackend"),
    ],
)
def test_text_is_split_as_the_file_says(config, named, tmp_path):
    getattr(transformers, config)(vocab_size=400).save_pretrained(tmp_path)
    train_tokenizer([TEXT] * 9, 400).save_pretrained(tmp_path)
    settings = tmp_path / "tokenizer_config.json"
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"tokenizer_class": named}))

    tokenizer = load_tokenizer(tmp_path)

    ids = tokenizer(TEXT, add_special_tokens=False)["input_ids"]
    assert ids == Tokenizer.from_file(str(tmp_path / "tokenizer.json")).encode(TEXT, add_special_tokens=False).ids
    assert tokenizer.decode(ids) == TEXT
    assert (tokenizer.eos_token, tokenizer.pad_token, tokenizer.padding_side) == ("<|end|>", "<|pad|>", "left")
    assert tokenizer.chat_template
