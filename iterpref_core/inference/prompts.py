"""From a prompt to the text a tokenizer's model was trained on, and from its answer to a program."""

import re

from transformers import PreTrainedTokenizerBase

_FENCE = re.compile(r"```(?:python|py)?[ \t]*\n(.*?)(?:```|\Z)", re.DOTALL | re.IGNORECASE)


def render_prompt(tokenizer: PreTrainedTokenizerBase, prompt: str) -> str:
    """The prompt as a model sees it: its chat template when it has one, else the plain text and a newline."""
    if tokenizer.chat_template:
        messages = [{"role": "user", "content": prompt}]
        return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))
    return prompt + "\n"


def extract_code(answer: str) -> str:
    r"""The program in an answer: its longest fenced block, or the whole text where nothing is fenced.

    >>> extract_code("Sure:\n```python\nx = 1\n```\nDone.")
    'x = 1\n'
    """
    blocks = _FENCE.findall(answer)
    return max(blocks, key=len) if blocks else answer
