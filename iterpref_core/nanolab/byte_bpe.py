"""Byte-level BPE for the embedded models, saved as an ordinary Hugging Face tokenizer."""

from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

PAD = "<|pad|>"
EOS = "<|end|>"
_CHAT_TEMPLATE = (
    "{% for message in messages %}{{ message['content'] }}"
    "{{ '' if message['role'] == 'assistant' else '\\n' }}<|end|>{% endfor %}"
)
# A word with the blanks and the opening punctuation before it, a number by two digits, other punctuation with the line
# break after it: "    part", "(nums", ")\n". A program has 47 tokens; with words and punctuation apart it had 64.
# No token lies on two lines.
_PIECES = r" *[(\[{'`.]*[A-Za-z_]+| ?\d{1,2}| ?[^\sA-Za-z_\d]+\n*|\n+| +"


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> PreTrainedTokenizerFast:
    """Train a tokenizer. Every byte is in the vocabulary, so that any text can be encoded.

    Args:
        texts: the merges are learned from these.
        vocab_size: the number of tokens, special ones included; at least 258.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[PAD, EOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=EOS,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
    wrapped.chat_template = _CHAT_TEMPLATE
    return wrapped
