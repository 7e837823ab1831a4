r"""The program in a model's answer, which may reason, explain, quote, and show several blocks.

One rule reads the answers of every model: in evaluation, in CodeFlow, in preference pairs, and where tests are a
reward. docs/models.md says it in words:

1. Reasoning at the beginning goes, and all text behind an end token.
2. An answer that is Python as a whole is the program.
3. Of the texts that Python can parse (fenced blocks, bare code) the last one that defines the entry point is the
   program; if none does, the last one that gives its name to another function, or to a method; then the last one with
   a definition; if none has one, the last script. Other languages are never it, nor is a stub.
4. If nothing can be parsed, a block that was meant as Python is the program as it came. It may have been cut.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from iterpref_core.programs.answers.bare_code import hide, read_bare_code, read_inline_code
from iterpref_core.programs.answers.fenced_blocks import BrokenBlock, FencedBlocks, read_blocks
from iterpref_core.programs.answers.python_text import (
    STATEMENT,
    Excerpt,
    Parser,
    Rank,
    entry_name,
    is_prose,
    rank,
)
from iterpref_core.programs.answers.reasoning import until_turn_end, without_reasoning

_TAILS = (1 << 14, 1 << 17)
"""Characters of the ends of a long answer that are searched, one after the other, until one has the program."""
_WITHOUT_WIDTH = "\ufeff\u200b\u2060"
"""A byte order mark and the like, which some servers put before a text."""
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
    lines = re.sub(r"\r\n?", "\n", answer.lstrip(_WITHOUT_WIDTH))
    text = until_turn_end(without_reasoning(lines), entry_point)
    program = None
    for tail in _tails(text):
        program, is_found = _read(tail, entry_point)
        if is_found:
            break
    return program


def _tails(text: str) -> Iterator[str]:
    """Yield the texts to search: an answer that is not long is one; of a long one its end, and then more of it.

    The last program counts, so that of 200 drafts the first ones need not be read. The time that is spent on an answer
    is bounded by the longest of these texts.
    """
    for length in _TAILS:
        if len(text) <= length:
            yield text
            return
        # A line that is cut in two would not be what the model wrote.
        begin = text.find("\n", len(text) - length) + 1
        yield text[begin:] if begin else text[-length:]


def _read(text: str, entry_point: str | None) -> tuple[str | None, bool]:
    """Return the program in a text without reasoning, and whether it is surely the one that is asked for."""
    parser = Parser()
    if _is_program(text, entry_point, parser):
        return text, True
    text = _CODE_TAG.sub("\n", text)
    blocks = read_blocks(text, parser)
    bare = _read_outside(text, blocks, parser)
    best = _best([*bare, *blocks.python], entry_point)
    if best is None or not _is_wanted(best, entry_point):
        # "Note that `def f(x): return x` would be wrong": code within a sentence is the program where no other code is.
        best = _best([*_read_inline(text, parser), *bare, *blocks.python], entry_point)
    broken = _best_broken(blocks.broken, entry_point)
    if broken is not None and _goes_before(broken, best, text, entry_point):
        return broken.code, False
    if best is not None and _is_wanted(best, entry_point):
        return best.code, not entry_point or rank(best.tree, entry_point) is Rank.ENTRY_POINT
    # A definition with a mistake in its second line is no Python, and the lines behind the mistake may be.
    cut = _cut_program(text, blocks, bare)
    if best is None or (cut is not None and _begins_to_define(cut, entry_point)):
        return cut, False
    return best.code, False


def _is_wanted(excerpt: Excerpt, entry_point: str | None) -> bool:
    """Return True if a text has the name that is asked for, or without one any definition."""
    found = rank(excerpt.tree, entry_point)
    return found.answers if entry_point else found >= Rank.DEFINITION


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
    return tree is not None and rank(tree, entry_point).answers


def lacks_program(code: str) -> bool:
    r"""Return True if a text is no program: it is empty, or prose, in which Python finds no statement.

    >>> lacks_program("I cannot do that."), lacks_program("def f(x:\n"), lacks_program("print(1)")
    (True, False, False)
    """
    if not code.strip():
        return True
    return not _STATEMENT_LINE.search(code) and Parser().tree(code) is None


def _best(excerpts: Iterable[Excerpt], entry_point: str | None) -> Excerpt | None:
    """Return the last excerpt with the highest rank; None if all rank as nothing."""
    best = None
    best_rank = Rank.SCRIPT
    for excerpt in sorted(excerpts, key=lambda excerpt: excerpt.start):
        excerpt_rank = rank(excerpt.tree, entry_point)
        if excerpt_rank >= best_rank:
            best = excerpt
            best_rank = excerpt_rank
    return best


def _read_outside(text: str, blocks: FencedBlocks, parser: Parser) -> list[Excerpt]:
    """Return the code that stands in no block, or in one that is no Python as a whole."""
    outside = []
    for excerpt in read_bare_code(text, blocks.foreign, parser):
        within = any(block.start <= excerpt.start < block.end for block in blocks.python)
        if not within and not _goes_on(excerpt, text):
            outside.append(excerpt)
    return outside


def _read_inline(text: str, parser: Parser) -> list[Excerpt]:
    """Return the definitions that stand between backticks within a line."""
    return [excerpt for excerpt in read_inline_code(text, parser) if rank(excerpt.tree, None) >= Rank.DEFINITION]


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
    # "```python\ndef f(x)\n    return x\n```" is nearer to f than the block "print(f(1))" behind it.
    if not _is_wanted(best, entry_point):
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
