"""Prompts: the text that a model reads, the text that it is trained to answer, and the program in an answer."""

import re
from typing import TYPE_CHECKING

from iterpref_core.config import AnswerStyle

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_FENCE = re.compile(r"```(?:python|py)?[ \t]*\n(.*?)(?:```|\Z)", re.DOTALL | re.IGNORECASE)


def render_prompt(tokenizer: "PreTrainedTokenizerBase", prompt: str) -> str:
    """The prompt as a model sees it: its chat template when it has one, else the plain text and a newline.

    `load_tokenizer` takes the template away from a model that is to read plain text in spite of it.
    """
    if tokenizer.chat_template:
        messages = [{"role": "user", "content": prompt}]
        return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))
    return prompt + "\n"


def render_answer(program: str, style: AnswerStyle) -> tuple[str, int]:
    r"""The answer that a model is trained to give, and where in it the program begins (characters).

    >>> render_answer("x = 1", "fenced")
    ('```python\nx = 1\n```', 10)
    >>> render_answer("x = 1", "bare")
    ('x = 1', 0)
    """
    if style == "bare":
        return program, 0
    opening, end = "```python\n", "" if program.endswith("\n") else "\n"
    return f"{opening}{program}{end}```", len(opening)


def extract_code(answer: str) -> str:
    r"""The program in an answer: its longest fenced block, or the whole text where nothing is fenced.

    >>> extract_code("Sure:\n```python\nx = 1\n```\nDone.")
    'x = 1\n'
    """
    blocks = _FENCE.findall(answer)
    return max(blocks, key=len) if blocks else answer
