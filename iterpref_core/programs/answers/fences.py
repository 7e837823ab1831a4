"""Find the fences of Markdown in an answer, which mark its programs."""

import re

from iterpref_core.records import PreferencePair

from ..source_code.syntax_tree import shared_tree

_FENCE = re.compile(
    r"^(?P<margin>[ \t]*)(?:[>*+-][ \t]*|\d+[.)][ \t]*)*(?P<fence>`{3,}|~{3,})(?P<info>.*)", re.MULTILINE
)
"""A line with a fence, which may be in a list or in a quotation."""
_EDGE = re.compile(rf"{_FENCE.pattern}|(?<=[^\s`~])(?P<last>`{{3,}}|~{{3,}})[ \t]*$", re.MULTILINE)
"""An edge of a block: a line with a fence, or a fence after the last line of code."""
_TAG = re.compile(r"\w[\w+#.-]*|.*[={].*")
"""The words after an opening fence: `python`, or `{.python title="a"}`."""
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


def has_markdown(pair: PreferencePair) -> bool:
    """Return True if an answer of a pair is Markdown."""
    return is_markdown(pair.chosen) or (pair.rejected is not None and is_markdown(pair.rejected))


def open_block(answer: str) -> int | None:
    r"""Return the place of the fence whose block an answer ends in, as cut answers do; None if it ends in no block.

    >>> open_block("So:\n```python\nx = 1\ny"), open_block("So:\n```python\nx = 1\n```")
    (4, None)
    """
    opened = None
    for edge in _EDGE.finditer(answer):
        fence, info = edge["fence"] or edge["last"], (edge["info"] or "").strip()
        if opened is None:
            # ```x = 1``` marks words in a line.
            opened = edge if edge["fence"] and "`" not in info else None
        # ```` is not closed by ```, nor ``` by ```python or by the fence of a docstring.
        elif (
            fence.startswith(opened["fence"])
            and not _TAG.fullmatch(info)
            and len(edge["margin"] or "") < len(opened["margin"]) + _INDENTED_CODE
        ):
            opened = None
    return None if opened is None else opened.start()
