r"""Program extraction: the program in a model's answer, which may reason, explain, and show several blocks.

What is taken for the program, in this order: reasoning (`<think>…</think>`) goes; of fenced blocks those tagged as
Python, else those without a tag, else any; of these those that Python can parse, where some can; of these the longest.
An answer without a fence is a program as it stands, unless it is prose, which holds none. A block that the length limit
cut off ends where the answer does.
"""

import ast
import re
from collections.abc import Iterator

_REASONING = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
_OPENING = re.compile(r"(?P<fence>`{3,}|~{3,})[ \t]*(?P<tag>[\w+.-]*)[^\n`]*\n")
_PYTHON = {"python", "py", "python3", "py3"}
_STATEMENT = re.compile(
    r"^[ \t]*(?:(?:async )?def \w+ *\(|class \w+ *[(:]|import \w|from \S+ import\b|\w+ *=[^=])",
    re.MULTILINE,
)


def extract_code(answer: str) -> str:
    r"""The program in an answer; empty where it holds none.

    >>> extract_code("Sure:\n```python\nx = 1\n```\nDone."), extract_code("I cannot do that.")
    ('x = 1\n', '')
    """
    text = _without_reasoning(answer)
    blocks = list(_blocks(text))
    if not blocks:
        return "" if lacks_program(text) else text
    tagged = [block for tag, block in blocks if tag in _PYTHON]
    chosen = tagged or [block for tag, block in blocks if not tag] or [block for _, block in blocks]
    return max([block for block in chosen if _parses(block)] or chosen, key=len)


def lacks_program(code: str) -> bool:
    r"""Whether a text is no program: it is empty, or prose, in which Python finds no statement.

    >>> lacks_program("I cannot do that."), lacks_program("def f(x:\n"), lacks_program("print(1)")
    (True, False, False)
    """
    return not code.strip() or (not _STATEMENT.search(code) and not _parses(code))


def _without_reasoning(answer: str) -> str:
    """What follows the reasoning. Some templates open it in the prompt, so that the answer has its end alone."""
    if "<think>" not in answer and "</think>" in answer:
        return answer.partition("</think>")[2].lstrip("\n")
    return _REASONING.sub("", answer).lstrip("\n") if "<think>" in answer else answer


def _blocks(text: str) -> Iterator[tuple[str, str]]:
    """(tag in lower case, content) of each fenced block; a longer fence may hold shorter ones (CommonMark 4.5)."""
    start = 0
    while opening := _OPENING.search(text, start):
        fence = opening["fence"]
        alone = re.compile(rf"^ {{0,3}}{re.escape(fence)}{fence[0]}*[ \t]*$", re.MULTILINE)
        closing = alone.search(text, opening.end()) or re.compile(re.escape(fence)).search(text, opening.end())
        end, start = closing.span() if closing else (len(text), len(text))
        yield opening["tag"].lower(), text[opening.end() : end]


def _parses(block: str) -> bool:
    try:
        ast.parse(block)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return bool(block.strip())
