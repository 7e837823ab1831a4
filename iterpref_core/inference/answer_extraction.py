r"""Program extraction: the program in a model's answer, which may reason, explain, and show several blocks.

What is taken for the program, in this order: reasoning (`<think>…</think>`) goes; of fenced blocks those tagged as
Python, else those without a tag, else any; of these those that Python can parse, where some can; of these one that
defines the entry point; of these the longest. A program that begins the answer may end with a fence that nothing
opened. An answer without a fence is a program as it stands, unless it is prose.
"""

import ast
import re
from collections.abc import Iterator

_REASONING = re.compile(r"<think>[^<]*+(?:<(?!/think>)[^<]*+)*+(?:</think>|\Z)")
# Possessive, and from the first character of a run alone: an answer of a million tildes is read once.
_OPENING = re.compile(r"(?P<fence>(?<!`)`{3,}+|(?<!~)~{3,}+)[ \t]*+(?P<tag>[\w+.-]*+)[^\n`~]*+\n")
_UNOPENED = re.compile(r"([^`]++)```[ \t]*+(?:\n|\Z)")
"""A text up to its first fence, where that has no tag: small chat models close a block that they never opened."""
_PYTHON = {"python", "py", "python3", "py3"}
_STATEMENT = re.compile(
    r"^[ \t]*(?:(?:async )?def \w+ *\(|class \w+ *[(:]|import \w|from \S+ import\b|\w+ *=[^=])",
    re.MULTILINE,
)

_MAX_ANSWER, _MAX_PARSED, _MAX_TRIES = 1 << 17, 50_000, 16
"""Characters without reasoning beyond which an answer is not searched, and is no program then; characters of a block
beyond which Python is not asked whether it parses, and how many blocks it is asked about."""


def extract_code(answer: str, entry_point: str = "") -> str:
    r"""The program in an answer; empty where it holds none.

    >>> extract_code("Sure:\n```python\nx = 1\n```\nDone."), extract_code("I cannot do that.")
    ('x = 1\n', '')
    """
    text = _without_reasoning(answer)
    if (unopened := _UNOPENED.match(text)) and _STATEMENT.search(unopened[1]) and _parses(unopened[1]):
        return unopened[1]
    blocks = list(_blocks(text)) if len(text) <= _MAX_ANSWER else []
    if not blocks:
        return "" if lacks_program(text) else text
    tagged = [block for tag, block in blocks if tag in _PYTHON]
    chosen = tagged or [block for tag, block in blocks if not tag] or [block for _, block in blocks]
    name = re.escape(entry_point.rpartition(".")[2])
    definition = re.compile(rf"^[ \t]*(?:async )?(?:def|class) +{name}\b", re.MULTILINE)
    chosen.sort(key=lambda block: (bool(name and definition.search(block)), len(block)), reverse=True)
    return next((block for block in chosen[:_MAX_TRIES] if len(chosen) > 1 and _parses(block)), chosen[0])


def lacks_program(code: str) -> bool:
    r"""Whether a text is no program: it is empty, or prose, in which Python finds no statement.

    >>> lacks_program("I cannot do that."), lacks_program("def f(x:\n"), lacks_program("print(1)")
    (True, False, False)
    """
    if len(code) > _MAX_ANSWER or not code.strip():
        return True
    return not _STATEMENT.search(code) and not _parses(code)


def _without_reasoning(answer: str) -> str:
    """What follows the reasoning. Some templates open it in the prompt, so that the answer has its end alone."""
    if "<think>" not in answer and "</think>" in answer:
        return answer.partition("</think>")[2].lstrip("\n")
    return _REASONING.sub("", answer).lstrip("\n") if "<think>" in answer else answer


def _blocks(text: str) -> Iterator[tuple[str, str]]:
    """(tag in lower case, content) of each fenced block; a longer fence may hold shorter ones (CommonMark 4.5)."""
    start = 0
    while opening := _OPENING.search(text, start):
        fence, begin = opening["fence"], opening.end()
        closing = re.compile(rf"^ {{0,3}}{fence}{fence[0]}*[ \t]*$", re.MULTILINE).search(text, begin)
        if closing:
            end, start = closing.span()
        else:
            inline = text.find(fence, begin)
            end, start = (inline, inline + len(fence)) if inline >= 0 else (len(text), len(text))
        yield opening["tag"].lower(), text[begin:end]


def _parses(block: str) -> bool:
    if len(block) > _MAX_PARSED:
        return False
    try:
        ast.parse(block)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return bool(block.strip())
