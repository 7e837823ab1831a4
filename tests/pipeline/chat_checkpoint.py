"""Chat checkpoint: a small Qwen2 as hubs have them, which has learned some answers by heart."""

from collections.abc import Mapping
from pathlib import Path

import torch
from transformers import GenerationConfig, Qwen2Config, Qwen2ForCausalLM, Qwen2Tokenizer

from iterpref_core.nanolab.pretrain import Example, encode_example, pad_batch
from tests.inference.test_documented_prompts import QWEN

END, PAD = "<|im_end|>", "<|endoftext|>"
_LEARNED = 0.01
"""Nats a token of the answers: what is learned so well is said without a mistake, in bf16 too."""


def write_chat_checkpoint(folder: Path, answers: Mapping[str, str]) -> None:
    """A checkpoint in bf16: chat template with a default system turn, padded vocabulary, end tokens, a penalty.

    Args:
        folder: where it goes.
        answers: what it answers, greedily, by the prompt of the user's turn; to others it says anything.
    """
    tokenizer = Qwen2Tokenizer().train_new_from_iterator(
        [*answers, *answers.values()], 600, new_special_tokens=["<|im_start|>", END], show_progress=False
    )
    tokenizer.eos_token, tokenizer.pad_token, tokenizer.chat_template = END, PAD, QWEN
    ends = [tokenizer.eos_token_id, tokenizer.pad_token_id]
    torch.manual_seed(0)
    model = Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=len(tokenizer) + 40,
            hidden_size=128,
            intermediate_size=256,
            num_hidden_layers=2,
            num_attention_heads=4,  # of 32 each, as vLLM wants them on a CPU
            num_key_value_heads=2,
            max_position_embeddings=2048,
            tie_word_embeddings=True,
            bos_token_id=ends[1],
            eos_token_id=ends[0],
            pad_token_id=ends[1],
        )
    )
    rows = [encode_example(Example(prompt, answer), tokenizer) for prompt, answer in answers.items()]
    batch = pad_batch(rows, tokenizer.pad_token_id)
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3)
    loss = torch.tensor(1.0)
    while loss > _LEARNED:
        loss = model(**batch).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.generation_config = GenerationConfig(
        do_sample=True, temperature=0.7, top_p=0.8, repetition_penalty=1.1, eos_token_id=ends, pad_token_id=ends[1]
    )
    model.bfloat16().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
