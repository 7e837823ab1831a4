r"""The program in a model's answer, which may reason, explain, quote, and show several blocks.

One rule reads the answers of every model: in evaluation, in CodeFlow, in preference pairs, and where tests are a
reward. docs/models.md says it in words:

1. Reasoning at the beginning goes, and all text behind an end token.
2. An answer that is Python as a whole is the program.
3. Of the texts that Python can parse (fenced blocks, bare code) the last one that defines the entry point is the
   program; if none does, the last one with a definition; if none has one, the last script. Other languages are never
   it, nor is a stub.
4. If nothing can be parsed, a block that was meant as Python is the program as it came. It may have been cut.
"""

import re
from collections.abc import Iterable, Sequence

from iterpref_core.answers.bare_code import hide, read_bare_code, read_inline_code
from iterpref_core.answers.fenced_blocks import BrokenBlock, FencedBlocks, read_blocks
from iterpref_core.answers.python_text import (
    STATEMENT,
    Excerpt,
    Parser,
    Rank,
    entry_name,
    is_prose,
    rank,
)
from iterpref_core.answers.reasoning import until_turn_end, without_reasoning

_MAX_ANSWER = 1 << 17
"""Characters without reasoning beyond which an answer is not searched, and is no program then."""
_CODE_TAG = re.compile(
    r"^[ \t]*(?:\[PYTHON\]|<(?:python|code|answer|solution)>)(?=[^\s\[<])"
    r"|(?<=[^\s\]>])(?:\[/PYTHON\]|</(?:python|code|answer|solution)>)[ \t]*$",
    re.MULTILINE | re.IGNORECASE,
)
"""A tag in the first or last line of code; alone in a line it does no harm."""
_STATEMENT_LINE = re.compile(rf"^[ \t]*(?:{STATEMENT.pattern}|\w+[ ]*=[^=])", re.VERBOSE | re.MULTILINE)
_DEFINITION_LINE = re.compile(r"^[ \t]*(?:async[ \t]+)?(?:def|class)[ \t]+(\w+)", re.MULTILINE)


def extract_program(answer: str, entry_point: str | None = None) -> str | None:
    r"""Return the program in an answer; None where it holds none.

    Args:
        answer: a model's text.
        entry_point: the name of the function or class that the task asks for; None or "" where it has none.

    Examples:
        >>> extract_program("Sure:\n```python\nx = f(1)\n```\nDone."), extract_program("I cannot do that.")
        ('x = f(1)\n', None)
        >>> extract_program("```python\ndef f(x): return -x\n```\nNo:\n```python\ndef f(x): return x\n```")
        'def f(x): return x\n'
    """
    lines = re.sub(r"\r\n?", "\n", answer.removeprefix("\ufeff"))
    text = until_turn_end(without_reasoning(lines))
    if len(text) > _MAX_ANSWER:
        return None
    parser = Parser()
    if _is_program(text, entry_point, parser):
        return text
    text = _CODE_TAG.sub("\n", text)
    blocks = read_blocks(text, parser)
    best = _best(blocks.python, entry_point)
    # Bare code is looked at only if no block answers: prose around a block often quotes parts of it.
    bare: list[Excerpt] = []
    if best is None or rank(best.tree, entry_point) < Rank.ENTRY_POINT:
        bare = _read_outside(text, blocks, parser)
        best = _best([*bare, *blocks.python], entry_point)
    broken = _best_broken(blocks.broken, entry_point)
    if broken is not None and _goes_before(broken, best, text, entry_point):
        return broken.code
    wanted = Rank.ENTRY_POINT if entry_point else Rank.DEFINITION
    if best is not None and rank(best.tree, entry_point) >= wanted:
        return best.code
    # A definition with a mistake in its second line is no Python, and the lines behind the mistake may be.
    cut = _cut_program(text, blocks, bare)
    if best is None or (cut is not None and _begins_to_define(cut, entry_point)):
        return cut
    return best.code


def _is_program(text: str, entry_point: str | None, parser: Parser) -> bool:
    """Return True if an answer is Python as a whole, without words that happen to be Python, such as `Done`."""
    tree = parser.tree(text)
    if tree is None or any(is_prose(statement) for statement in tree.body):
        return False
    return rank(tree, entry_point) > Rank.NOTHING


def defines(program: str, entry_point: str) -> bool:
    """Return True if a program defines the function or class that a task asks for.

    >>> defines("def f(x): return x", "f"), defines("def g(x): return f(x)", "f")
    (True, False)
    """
    tree = Parser().tree(program)
    return tree is not None and rank(tree, entry_point) is Rank.ENTRY_POINT


def lacks_program(code: str) -> bool:
    r"""Return True if a text is no program: it is empty, or prose, in which Python finds no statement.

    >>> lacks_program("I cannot do that."), lacks_program("def f(x:\n"), lacks_program("print(1)")
    (True, False, False)
    """
    if len(code) > _MAX_ANSWER or not code.strip():
        return True
    return not _STATEMENT_LINE.search(code) and Parser().tree(code) is None


def _best(excerpts: Iterable[Excerpt], entry_point: str | None) -> Excerpt | None:
    """Return the last excerpt with the highest rank; None if all rank as nothing."""
    best = None
    best_rank = Rank.SCRIPT
    for excerpt in excerpts:
        excerpt_rank = rank(excerpt.tree, entry_point)
        if excerpt_rank >= best_rank:
            best = excerpt
            best_rank = excerpt_rank
    return best


def _read_outside(text: str, blocks: FencedBlocks, parser: Parser) -> list[Excerpt]:
    """Return the code that stands in no block, or in one that was never closed."""
    hidden = list(blocks.foreign)
    for block in blocks.broken:
        if block.tagged and block.closed:
            hidden.append((block.start, block.end))
    outside = []
    for excerpt in read_inline_code(text, parser):
        if rank(excerpt.tree, None) >= Rank.DEFINITION:
            outside.append(excerpt)
    for excerpt in read_bare_code(text, hidden, parser):
        if not _goes_on(excerpt, text):
            outside.append(excerpt)
    return outside


def _goes_on(excerpt: Excerpt, text: str) -> bool:
    r"""Return True if a definition goes on behind the code that Python can parse.

    In "def f(x):\n    y = 1\n    z = (]\n    return y" the first two lines can be parsed. They are not the program:
    its third line is wrong, and the program is all of the text.
    """
    if not hasattr(excerpt.tree.body[-1], "body"):
        return False
    following = text[excerpt.end :].lstrip("\r\n")
    return following[:1] in (" ", "\t") and bool(following.strip())


def _best_broken(blocks: Sequence[BrokenBlock], entry_point: str | None) -> BrokenBlock | None:
    """Return the last block that was meant as Python, and rather one that begins to define the entry point."""
    best = None
    best_defines = False
    for block in blocks:
        meant = block.tagged or _STATEMENT_LINE.search(block.code)
        if not meant or not block.code.strip():
            continue
        block_defines = _begins_to_define(block.code, entry_point)
        if block_defines or not best_defines:
            best = block
            best_defines = block_defines
    return best


def _begins_to_define(code: str, entry_point: str | None) -> bool:
    """Return True if a text has the first line of a definition: of the entry point, or without one of anything."""
    names = {match[1] for match in _DEFINITION_LINE.finditer(code)}
    if not entry_point:
        return bool(names)
    return entry_name(entry_point) in names


def _goes_before(
    broken: BrokenBlock,
    best: Excerpt | None,
    text: str,
    entry_point: str | None,
) -> bool:
    """Return True if a block that is no Python is a better answer than the best text that is."""
    if best is None:
        return True
    wanted = Rank.ENTRY_POINT if entry_point else Rank.DEFINITION
    # "```python\ndef f(x)\n    return x\n```" is nearer to f than the block "print(f(1))" behind it.
    if rank(best.tree, entry_point) < wanted:
        return _begins_to_define(broken.code, entry_point)
    if entry_point:
        return False
    # Of "```python\ndef helper(x): return x\n\ndef f(x):\n    return hel" the helper is Python, but not the program.
    within = broken.start <= best.start < broken.end
    return within and bool(_DEFINITION_LINE.search(text[best.end : broken.end]))


def _cut_program(text: str, blocks: FencedBlocks, bare: Sequence[Excerpt]) -> str | None:
    """Return the text from the first line of bare code on, which is no Python, mostly since it was cut."""
    hidden = list(blocks.foreign)
    for excerpt in (*blocks.python, *bare):
        # "def f(x): ..." is a stub: it is Python, and was found to be no program.
        if _DEFINITION_LINE.search(excerpt.code):
            hidden.append((excerpt.start, excerpt.end))
    outside = hide(text, hidden)
    beginning = _STATEMENT_LINE.search(outside)
    return text[beginning.start() :] if beginning else None
