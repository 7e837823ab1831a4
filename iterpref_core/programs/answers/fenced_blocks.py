r"""Fenced blocks of an answer (CommonMark 4.5), read as a person would where a model does not keep to the rules.

A fence begins a line, behind the margin of a list item or a quotation. The text of a block decides where it ends: at
the first closing fence with which it is Python. So a docstring may show fences:

    ```python                    opens
    def add(a, b):
        '''Add.
    ```                          does not close: the text up to here is no Python
    >>> add(1, 2)
    ```                          nor does this
    '''
        return a + b
    ```                          closes
"""

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from iterpref_core.programs.answers.python_text import STATEMENT, Excerpt, Parser, lines_of

Language = Literal["python", "none", "foreign", "container"]

_FENCE_LINE = re.compile(
    r"""^(?P<margin>[ \t]*+(?:(?:>[ \t]*+|(?:[-*+]|\d{1,3}[.)])[ \t]++)*+))
    (?P<fence>`{3,}+|~{3,}+)
    (?P<info>[^\n]*+)""",
    re.VERBOSE | re.MULTILINE,
)
_FENCE_BEHIND_WORDS = re.compile(
    r"(?P<margin>)(?<=[^\s`])[ \t]*+(?P<fence>`{3,}+)(?P<info>[^\n`]*+)$",
    re.MULTILINE,
)
"""`Final answer: ```python`: a fence in the end of a line with words."""
_PYTHON_TAG = re.compile(r"\{?\.?(?:i?python|py|cpython|pycon)[\d.]*+(?![\w+#])|\S+\.py\b", re.IGNORECASE)
_NO_TAG = {
    "",
    "text",
    "txt",
    "plain",
    "plaintext",
    "code",
    "none",
    "raw",
    "answer",
    "solution",
}
"""Tags that name no language."""
_CONTAINERS = {"markdown", "md"}
"""Languages that hold blocks."""
_LANGUAGE_LINE = re.compile(r"\A\s*(?:~~~+|```+)?python3?[ \t]*\n", re.IGNORECASE)
_BLANK_LINE = re.compile(r"^[ \t]*\n", re.MULTILINE)
_MAX_ENDS = 8
"""Ends that are tried for a block."""


@dataclass(frozen=True)
class FenceLine:
    """A line that begins with a fence: it stands at [start, end) of the text, its newline included."""

    start: int
    end: int
    margin: str
    fence: str
    info: str
    language: Language
    code: str
    """Python that stands in the fence's own line, with a newline behind it; mostly empty."""

    def closes(self, opening: "FenceLine") -> bool:
        """Return True if this line may close a block."""
        if self.info.strip() or self.fence[0] != opening.fence[0] or len(self.fence) < len(opening.fence):
            return False
        return len(self.margin.expandtabs()) <= len(opening.margin.expandtabs()) + 3

    def interrupts(self, opening: "FenceLine") -> bool:
        """Return True if this line opens another block, so that the one before it was never closed."""
        return bool(self.info.strip()) and self.fence[0] == opening.fence[0] and self.language in ("python", "foreign")


@dataclass(frozen=True)
class BrokenBlock:
    """A block that is no Python as a whole, though it may be meant as such. It stands at [start, end)."""

    start: int
    end: int
    code: str
    tagged: bool


@dataclass
class FencedBlocks:
    """The blocks of a text: those that are Python, those that may be meant so, and where other languages stand."""

    python: list[Excerpt] = field(default_factory=list)
    broken: list[BrokenBlock] = field(default_factory=list)
    foreign: list[tuple[int, int]] = field(default_factory=list)


@dataclass(frozen=True)
class _End:
    """An end that a block may have; reading goes on at `resume`."""

    at: int
    resume: int
    closed: bool = True


def read_blocks(text: str, parser: Parser) -> FencedBlocks:
    """Return the fenced blocks of a text, in order."""
    blocks = FencedBlocks()
    lines = _fence_lines(text)
    resume = 0
    for number, opening in enumerate(lines):
        if opening.start < resume or opening.language == "container":
            continue
        ends = _ends(lines, number)
        if opening.language == "foreign":
            end = ends[0] if ends else _End(len(text), len(text))
            resume = end.resume
            if not end.closed:
                # It was never closed before another block opened: its code ends with its first paragraph.
                paragraph = _BLANK_LINE.search(text, opening.end, end.at)
                resume = paragraph.start() if paragraph else end.at
            blocks.foreign.append((opening.start, resume))
            continue
        resume = _read_python(text, opening, ends, parser, blocks)
    return blocks


def _read_python(
    text: str,
    opening: FenceLine,
    ends: list[_End],
    parser: Parser,
    blocks: FencedBlocks,
) -> int:
    """Read one block that may be Python; return where reading goes on."""
    behind = _End(len(text), len(text), closed=False)
    for end in (*ends, behind, *_ends_within_lines(text, opening)):
        if not parser.affords(end.at - opening.end):
            continue
        found = _parse_indented(_content(text, opening, end), parser)
        if found is not None:
            blocks.python.append(Excerpt(opening.start, end.at, found.code, found.tree))
            return end.resume
    end = ends[0] if ends else behind
    code = _content(text, opening, end)
    tagged = opening.language == "python"
    blocks.broken.append(BrokenBlock(opening.start, end.at, code, tagged))
    # What has no tag may be the end of a block whose beginning stood within a line.
    return end.resume if tagged and ends else opening.end


def _fence_lines(text: str) -> list[FenceLine]:
    lines = []
    matches = [*_FENCE_LINE.finditer(text), *_fences_behind_words(text)]
    matches.sort(key=lambda match: match.start())
    for match in matches:
        fence = match["fence"]
        info = match["info"]
        if fence[0] == "`" and "`" in info:
            continue  # code within a line: ```f(3)```
        if fence[0] == "~" and not re.match(r"\s*(?:[\w{.]|\Z)", info):
            continue  # marks below a line of a traceback: ~~~~^^^
        language, code = _language(info.strip())
        lines.append(
            FenceLine(
                start=match.start(),
                end=min(match.end() + 1, len(text)),
                margin=match["margin"],
                fence=fence,
                info=info,
                language=language,
                code=code,
            )
        )
    return lines


def _fences_behind_words(text: str) -> Iterator[re.Match[str]]:
    """Yield the fences that open a block behind words: with Python's tag, or without one behind a colon or a mark."""
    for match in _FENCE_BEHIND_WORDS.finditer(text):
        info = match["info"].strip()
        if _PYTHON_TAG.fullmatch(info) or (not info and text[match.start() - 1] in ":]>"):
            yield match


def _language(info: str) -> tuple[Language, str]:
    """Return the language that an info string names, and the code that stands in its place or behind it."""
    if STATEMENT.match(info):
        return "none", info + "\n"
    if tag := _PYTHON_TAG.match(info):
        rest = info[tag.end() :].strip()
        return "python", rest + "\n" if STATEMENT.match(rest) else ""
    words = info.split()
    tag_text = words[0].lower() if words else ""
    if tag_text in _CONTAINERS:
        return "container", ""
    is_tag = len(words) == 1 or "=" in info or "{" in info
    return "foreign" if is_tag and tag_text not in _NO_TAG else "none", ""


def _ends(lines: list[FenceLine], number: int) -> list[_End]:
    """Return where a block may end: before each line that closes it, and before each that opens another one."""
    opening = lines[number]
    ends: list[_End] = []
    for line in lines[number + 1 :]:
        if line.closes(opening):
            ends.append(_End(line.start, line.end))
        elif line.interrupts(opening):
            ends.append(_End(line.start, line.start, closed=False))
        if len(ends) == _MAX_ENDS:
            break
    return ends


def _ends_within_lines(text: str, opening: FenceLine) -> Iterator[_End]:
    """Yield the places of fences that close a block behind its last line of code, or with words behind them."""
    at = opening.end
    for _ in range(_MAX_ENDS):
        at = text.find(opening.fence, at)
        if at < 0:
            return
        yield _End(at, at + len(opening.fence))
        at += len(opening.fence)


def _content(text: str, opening: FenceLine, end: _End) -> str:
    """Return the text between two fences, without the margin of a list item or a quotation."""
    lines = lines_of(text[opening.end : end.at])
    if end.closed and lines and not lines[-1].endswith("\n"):
        last = lines.pop().rstrip()
        if last:
            lines.append(last + "\n")
    quotes = opening.margin.count(">")
    if quotes:
        mark = re.compile(rf"\A(?:[ \t]*>[ \t]?){{1,{quotes}}}")
        return opening.code + "".join(mark.sub("", line) for line in lines)
    # "   ```python" in a list item: three blanks go from each line, if its code has that margin too.
    first = next((line for line in lines if line.strip()), "")
    width = len(opening.margin)
    if _indentation(first) < width:
        width = 0
    kept = [line[min(_indentation(line), width) :] for line in lines]
    return opening.code + _without_language("".join(kept))


def _indentation(line: str) -> int:
    return len(line) - len(line.lstrip(" \t"))


def _without_language(code: str) -> str:
    """Return code without the name of its language in a line of its own, where the fence should have it.

    The line may also be the fence, which stands twice then: to Python `~~~python` is an expression.
    """
    return _LANGUAGE_LINE.sub("", code, count=1)


def _parse_indented(code: str, parser: Parser) -> Excerpt | None:
    """Return a text as Python, if need be without the indentation that all of its lines have."""
    # As it came first: of a text that is Python without its indentation, and with it, the latter is meant.
    for text in dict.fromkeys((code, textwrap.dedent(code))):
        tree = parser.tree(text)
        if tree is not None:
            return Excerpt(0, 0, text, tree)
    return None
