"""Prompts: templates as text files, what a model reads, and what it is trained to answer."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from iterpref_core.config import AnswerStyle

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_FIELD = re.compile(r"\{([a-z_]+)\}")


def fill(template: Path, values: Mapping[str, str]) -> str:
    """Fill every field of a template in one pass: braces inside a value are text, even where they spell a field's name.

    Line ends at the end of a value are dropped, so that the layout does not depend on where a text came from. What
    stands in braces and is no field of `values` stays as it is.

    Args:
        template: the file; a newline at its end is no part of the prompt.
        values: field → text. Each must occur in the template.
    """
    text = read_template(template)
    missing = values.keys() - set(_FIELD.findall(text))
    assert not missing, f"{template} has no field {sorted(missing)}"
    return _FIELD.sub(lambda match: values[match[1]].rstrip("\r\n") if match[1] in values else match[0], text)


@cache
def read_template(path: Path) -> str:
    """The text of a template, without the newline at its end."""
    return path.read_text(encoding="utf-8").removesuffix("\n")


def render_prompt(tokenizer: "PreTrainedTokenizerBase", prompt: str, system: str = "") -> str:
    """The prompt as a model sees it: its chat template when it has one, else the plain text and a newline.

    `load_tokenizer` takes the template away from a model that is to read plain text in spite of it.
    """
    if tokenizer.chat_template:
        messages = [{"role": "system", "content": system}] * bool(system) + [{"role": "user", "content": prompt}]
        return render_messages(tokenizer, messages, add_generation_prompt=True)
    return prompt + "\n"


def render_messages(
    tokenizer: "PreTrainedTokenizerBase", messages: Sequence[Mapping[str, str]], *, add_generation_prompt: bool = False
) -> str:
    """A chat as a model sees it, in its chat template.

    Raises:
        ModelError: the template cannot be read, or refuses such a chat.
    """
    from iterpref_core.inference.local.checkpoints import reading

    with reading(tokenizer.name_or_path, "chat template"):
        return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=add_generation_prompt))


def render_answer(program: str, style: AnswerStyle) -> tuple[str, int]:
    r"""The answer that a model is trained to give, and where in it the program begins (characters).

    >>> render_answer("x = 1", "fenced")
    ('```python\nx = 1\n```', 10)
    >>> render_answer("x = 1", "bare")
    ('x = 1', 0)
    """
    if style == "bare":
        return program, 0
    fence, end = "```python\n", "" if program.endswith("\n") else "\n"
    return f"{fence}{program}{end}```", len(fence)
