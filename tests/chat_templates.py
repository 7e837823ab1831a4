"""Chat templates that behave as those of well-known families do, and tiny models fitted to what they write."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from iterpref_core.records import PromptFormat
from tests.settings import moved

TURNS = "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
ASKS = "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
THINKS_NOT = "<think>\n\n</think>\n\n"


@dataclass(frozen=True)
class Family:
    """A template, and what stands around an answer in it.

    Attributes:
        template: its text.
        opening: the last of what is read before the answer.
        end: what is trained behind the program, up to the first token that ends a turn.
        eos: the tokenizer's end token.
        variables: `model.chat_template_kwargs`.
        disagrees: whether generation prompt and finished answer do.
    """

    template: str
    opening: str
    end: str
    eos: str = "<|im_end|>"
    variables: Mapping[str, Any] = field(default_factory=dict)
    disagrees: bool = False

    @property
    def prompt_format(self):
        """The form in which a model of this family reads prompts."""
        return PromptFormat(chat_template_kwargs=dict(self.variables))


_QWEN3 = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{% if m['role'] == 'assistant' and loop.last %}<think>\n\n</think>\n\n{% endif %}"
    "{{ m['content'] | trim('\n') }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}{% endif %}"
)

FAMILIES = {
    # Qwen2.5, SmolLM2.
    "ChatML": Family(
        "{% if messages[0]['role'] != 'system' %}<|im_start|>system\nYou help.<|im_end|>\n{% endif %}" + TURNS + ASKS,
        "<|im_start|>assistant\n", "<|im_end|>",
    ),
    "no generation prompt": Family(TURNS, "<|im_start|>assistant\n", "<|im_end|>"),
    # An empty think block stands before the last answer.
    "Qwen3": Family(_QWEN3, f"<|im_start|>assistant\n{THINKS_NOT}", "<|im_end|>"),
    "Qwen3, told not to think": Family(
        _QWEN3, f"<|im_start|>assistant\n{THINKS_NOT}", "<|im_end|>", variables={"enable_thinking": False}
    ),
    # The generation prompt opens a think block; what a message has before the end of one is dropped.
    "R1": Family(
        TURNS.replace("m['content']", "m['content'].split('</think>')[-1]") + ASKS.replace("\n{%", "\n<think>\n{%"),
        "<|im_start|>assistant\n", "<|im_end|>", disagrees=True,
    ),
    # Turns end with another token than the end token, texts are stripped, and a system's message is refused.
    "Gemma": Family(
        "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system here') }}{% endif %}"
        "{% for m in messages %}<start_of_turn>{{ 'model' if m['role'] == 'assistant' else m['role'] }}\n"
        "{{ m['content'] | trim }}<end_of_turn>\n{% endfor %}"
        "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}",
        "<start_of_turn>model\n", "<end_of_turn>", eos="</s>",
    ),
    # A blank stands on either side of an answer.
    "Llama 2": Family(
        "{% for m in messages %}{% if m['role'] == 'user' %}{{ bos_token + '[INST] ' + m['content'] | trim + "
        "' [/INST]' }}{% elif m['role'] == 'assistant' %}{{ ' ' + m['content'] | trim + ' ' + eos_token }}"
        "{% endif %}{% endfor %}",
        " [/INST] ", " </s>", eos="</s>",
    ),
}  # fmt: skip
"""Those whose losses are compared with the template's own."""

OTHERS = {
    # The turn's end is no token of the vocabulary.
    "end in several tokens": Family(
        TURNS.replace("<|im_end|>", "<|stop|>") + ASKS, "<|im_start|>assistant\n", "<|stop|>\n", eos="</s>"
    ),
    # DeepSeek-Coder: a line break before the end token, and one after it.
    "line break before the end": Family(
        "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}### Instruction:\n{{ m['content'] }}\n"
        "{% else %}### Response:\n{{ m['content'] }}\n{{ eos_token }}\n{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}### Response:\n{% endif %}",
        "### Response:\n", "\n</s>", eos="</s>",
    ),
    # Zephyr, Phi: the end token, and a line break that no one trains on.
    "Zephyr": Family(
        "{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] + eos_token }}\n{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>\n{% endif %}",
        "<|assistant|>\n", "</s>", eos="</s>",
    ),
    # Llama 3 writes the day.
    "Llama 3": Family(
        "{{ bos_token }}<|im_start|>system\nToday: {{ strftime_now('%d %b %Y') }}<|im_end|>"
        "{% for m in messages %}<|im_start|>{{ m['role'] }}\n\n{{ m['content'] | trim }}<|im_end|>{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n\n{% endif %}",
        "<|im_start|>assistant\n\n", "<|im_end|>", eos="</s>",
    ),
    # The end of a turn stands before the next one alone.
    "end between turns": Family(
        "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}"
        "{% if not loop.last %}<|im_end|>\n{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}<|im_end|>\n<|im_start|>assistant\n{% endif %}",
        "<|im_start|>assistant\n", "<|im_end|>", eos="</s>",
    ),
    # No end at all: the tokenizer's stands for it.
    "no end": Family(
        "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}", "assistant: ", "</s>", eos="</s>"
    ),
}  # fmt: skip

_SPECIAL = ["<pad>", "<s>", "</s>", "<|im_start|>", "<|im_end|>", "<start_of_turn>", "<end_of_turn>"]
EXCHANGES = [
    (f"Write `f_{k}(x)`, which adds {k}.", f"def f_{k}(x):\n    y = x + {k}\n    return y") for k in range(1, 5)
]
"""Prompts, and the programs that the fitted models answer them with."""


def make_tokenizer(family):
    """Return a byte-level BPE tokenizer that joins words with the blank before them, as GPT-2's does."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    engine = Tokenizer(models.BPE())
    engine.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    engine.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=420,
        special_tokens=_SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    engine.train_from_iterator([f"{prompt} {program}\n\n" for prompt, program in EXCHANGES] * 9, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=engine,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token=family.eos,
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = family.template
    return tokenizer


def write_exchange(tokenizer, family, prompt, program):
    """Return an exchange as the template writes it."""
    chat = [{"role": "user", "content": prompt}, {"role": "assistant", "content": program}]
    return str(tokenizer.apply_chat_template(chat, tokenize=False, **family.variables))


def fit_model(tokenizer, family, exchanges, folder):
    """Fit a tiny model to every token that the template writes of the exchanges, and save it."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    rows = [
        tokenizer(write_exchange(tokenizer, family, *exchange), add_special_tokens=False)["input_ids"]
        for exchange in exchanges
    ]
    torch.manual_seed(moved(0))
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=512,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = LlamaForCausalLM(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    batch = tokenizer.pad({"input_ids": rows}, return_tensors="pt", padding_side="right")
    labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
    for _ in range(160):
        model(**batch, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return model
