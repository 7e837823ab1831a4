"""docs/models.md shows a correction of an instruction model as it is asked for, in Qwen2.5's chat template."""

import pytest
from transformers import PreTrainedTokenizerBase

from iterpref_core.inference.codeflow_prompts import refine_prompt
from iterpref_core.inference.prompts import render_prompt
from iterpref_core.nanolab.byte_bpe import train_tokenizer
from tests.settings import ROOT

QWEN = (
    "{% if messages[0]['role'] != 'system' %}<|im_start|>system\n"
    "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""What Qwen2.5-Coder's template comes to without tools: its default system turn, then the turns."""
TASK = "Write `add(a, b)`, which adds two numbers."
WRONG = "def add(a, b):\n    return a - b\n"
FEEDBACK = "add(1, 2) returned -1, expected 3"


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    made = train_tokenizer([TASK, WRONG], 300)
    made.chat_template = QWEN
    return made


def test_the_page_shows_what_is_sent(tokenizer: PreTrainedTokenizerBase) -> None:
    sent = render_prompt(tokenizer, refine_prompt(TASK, WRONG, FEEDBACK, "instruct"))
    page = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    assert f"\n````text\n{sent.rstrip(chr(10))}\n````\n" in page, sent
