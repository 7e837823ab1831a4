"""Find the fences of Markdown in an answer, which mark its programs."""

import re

from ..source_code.syntax_tree import shared_tree

_FENCE = re.compile(
    r"^(?P<margin>[ \t]*)(?:[>*+-][ \t]*|\d+[.)][ \t]*)*(?P<fence>`{3,}|~{3,})(?P<info>.*)", re.MULTILINE
)
"""A line with a fence, which may be in a list or in a quotation."""
_STRING = re.compile(r"""(?:^|[=([{,:+%]|\breturn)[ \t]*\w{0,2}("{3}|'{3})[\s\S]*?(?:\1|\Z)""", re.MULTILINE)
"""A string of several lines, which may lack its end; not one that a sentence names."""
_INDENTED_CODE = 4
"""Blanks before a fence that is in a block, such as a docstring's, and does not end it."""


def is_markdown(answer: str) -> bool:
    r"""Return True for an answer with fences, and False for a program, whose docstring may show fences.

    >>> is_markdown("So:\n```python\nx = 1\n```"), is_markdown("def f():\n    '''\n    ```\n    f()\n    ```\n    '''")
    (True, False)
    """
    if not _FENCE.search(answer):
        return False
    try:
        shared_tree(answer)
    except SyntaxError:
        # A program that fails may have a syntax error elsewhere.
        return _FENCE.search(_STRING.sub("", answer)) is not None
    return False


def open_block(answer: str) -> int | None:
    r"""Return the place of the fence whose block an answer ends in, as cut answers do; None if it ends in no block.

    >>> open_block("So:\n```python\nx = 1\ny"), open_block("So:\n```python\nx = 1\n```")
    (4, None)
    """
    opened = None
    for fence in _FENCE.finditer(answer):
        info = fence["info"].strip()
        if opened is None:
            # A fence that ends in its line, as in ```x = 1```, marks words.
            opened = None if "`" in info else fence
        # ```` is not closed by ```, nor by ```python.
        elif (
            fence["fence"].startswith(opened["fence"])
            and not info[:1].isalnum()
            and len(fence["margin"]) < len(opened["margin"]) + _INDENTED_CODE
        ):
            opened = None
    return None if opened is None else opened.start()
