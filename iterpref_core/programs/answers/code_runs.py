"""Find the runs of lines in an answer that are Python, between prose, fences and tags."""

import ast
import itertools
import re
from collections.abc import Iterator, Sequence

from ..source_code.lines import whole_lines
from .python_text import MAX_PROGRAM, STATEMENT, Excerpt, Parser, is_prose

_BEGINNING = re.compile(rf"[ \t]*+(?:{STATEMENT.pattern}|[\w.\[\], \t*]+=[^=])", re.VERBOSE | re.MULTILINE)
"""The first line of code: also an assignment, if Python can parse it."""
_OPENING_MARK = re.compile(
    r"(?:(?:`{3,}+|~{3,}+)[ \t]*(?:python|py)?3?|\[PYTHON\]|<[a-z|｜][^<>\n]{0,100}>)+[ \t]*", re.IGNORECASE
)
"""A fence or any tag, such as `<parameter=content>`: code begins after it or in the next line."""
_CLOSING_MARK = re.compile(r"```|</|\[/|<[|｜]|\[(?:DONE\]|EOS\]|EOT\]|e~\[|\|)|<(?:fim_|[\w:]+\|?>)")
"""A mark after code, mostly in a line of its own; but also `return x</code>` and `return x<end_of_turn>`."""
_FENCE_LINE = re.compile(r"[ \t]*(?:(?:[-*+]|\d{1,3}[.)])[ \t]+)*(?P<fence>```|~~~)[`~]*+(?P<info>[^`^\n]*+)$")
_PYTHON_TAG = re.compile(r"\{?\.?(?:i?python|py|cpython|pycon)[\d.]*+(?![\w+#])|\S+\.py\b", re.IGNORECASE)
_MAX_FENCES = 8
"""Fences that a docstring may show."""


def read_code(text: str, parser: Parser) -> tuple[list[Excerpt], str]:
    r"""Return the runs of lines that are Python, each as long as it can be, and the text without them.

    A run begins after a mark, or with a line that is Python and no prose. It ends before the line that the parser
    names as the first wrong one, and before words without effect. A run in a block whose tag is not Python's is
    `doubtful`.

    Args:
        text: the answer.
        parser: parses.

    Returns:
        the runs, in order, and a text of the same length with blanks for their lines and for all blocks with a tag.

    Examples:
        >>> read_code("Here it is.\n\ndef f(x):\n    return x + 1\n\nDone\n", Parser())[0][0].code
        'def f(x):\n    return x + 1\n'
    """
    lines = whole_lines(text)
    starts = [0, *itertools.accumulate(map(len, lines))]
    doubtful = _doubtful_lines(lines)
    read: set[int] = set()
    runs: list[Excerpt] = []
    for number, beginning in _beginnings(lines):
        if number in read or not parser.affords(MAX_PROGRAM):
            continue
        run = _longest_run(lines, number, beginning, parser)
        if run is None:
            continue
        kept, tree = run
        end = number + len(kept)
        # Lines of a run do not begin another one.
        read.update(range(number, end))
        # The last line may continue after a mark: "return x</code> adds".
        last = kept[-1].strip()
        run_end = starts[end - 1] + lines[end - 1].index(last) + len(last)
        code = "".join(kept).rstrip() + "\n"
        runs.append(Excerpt(starts[number], run_end, code, tree, number in doubtful))
    # A program may have another one in a string, such as its help text.
    runs.sort(key=lambda run: (run.start, -run.end))
    ends = itertools.accumulate((run.end for run in runs), max, initial=0)
    runs = [run for run, end in zip(runs, ends, strict=False) if run.end > end]
    used = read | doubtful
    outside = [re.sub(r"[^\n]", " ", line) if number in used else line for number, line in enumerate(lines)]
    return runs, "".join(outside)


def _beginnings(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield the lines that may begin code, each with its number.

    Marked code comes first, and the last of it before all else, since the last program counts: in an answer that costs
    more than the parser affords, such as one with 5,000 drafts, the rest is not read.
    """
    following = None
    for number in reversed(range(len(lines))):
        line = lines[number]
        mark = _OPENING_MARK.search(line)
        if mark and STATEMENT.match(line, mark.end()) and not line[: mark.start()].strip():
            yield number, line[mark.end() :]
        elif mark and following is not None:
            yield following, lines[following]
        if line.strip():
            following = number
    for number, line in enumerate(lines):
        if _BEGINNING.match(line):
            yield number, line


def _doubtful_lines(lines: Sequence[str]) -> set[int]:
    """Return the numbers of the lines of blocks whose tag is not Python's. A block ends at its next fence."""
    doubtful: set[int] = set()
    # The fence of a block with such a tag.
    opened = ""
    for number, line in enumerate(lines):
        fence = _FENCE_LINE.match(line)
        if fence and opened in ("", fence["fence"]):
            opened = "" if _is_python(fence["info"].strip()) else fence["fence"]
        if opened:
            doubtful.add(number)
    return doubtful


def _is_python(info: str) -> bool:
    """Return True unless the words after a fence are a tag, and not Python's: `java`, `tool_code`."""
    is_tag = len(info.split()) == 1 or "=" in info or "{" in info
    return not is_tag or STATEMENT.match(info) is not None or _PYTHON_TAG.match(info) is not None


def _longest_run(
    lines: Sequence[str],
    number: int,
    beginning: str,
    parser: Parser,
) -> tuple[list[str], ast.Module] | None:
    """Return the lines that are Python, from a beginning on, and their tree; None where none are."""
    fences = 1
    kept = _lines_from(lines, number, beginning, fences)
    is_marked = False
    while kept:
        parsed = parser.parse("".join(kept))
        if not isinstance(parsed, SyntaxError):
            # After "return x<|im_end|>def g():" an indented line does not continue the program.
            behind = () if is_marked else itertools.islice(lines, number + len(kept), None)
            wrong = _first_wrong(parsed, next((line for line in behind if line.strip()), ""), _margin(beginning))
            if not wrong:
                return kept, parsed
            kept = kept[: wrong - 1]
        # A docstring may show fences: continue past the next one.
        elif "triple-quoted" in parsed.msg and fences < _MAX_FENCES:
            fences += 1
            kept = _lines_from(lines, number, beginning, fences)
        else:
            # "x = 1\nThen we print it.\nprint(x)": the parser names line 2, and the run is tried with line 1 alone.
            wrong = min(parsed.lineno or 1, len(kept))
            line = kept[wrong - 1]
            mark = _CLOSING_MARK.search(line)
            is_marked = mark is not None
            before = line[: mark.start()] if mark else ""
            kept = [*kept[: wrong - 1], before] if before.strip() else kept[: wrong - 1]
    return None


def _lines_from(lines: Sequence[str], number: int, beginning: str, fences: int) -> list[str]:
    """Return lines from a beginning on up to its first fence, or to a later one, since docstrings may show fences.

    The lines are indented at least as far as the beginning; that indentation is removed.
    """
    margin = _margin(beginning)
    kept = [beginning.removeprefix(margin)]
    characters = len(beginning)
    for place in range(number + 1, len(lines)):
        line = lines[place]
        characters += len(line)
        fences -= _FENCE_LINE.match(line) is not None
        if not fences or characters > MAX_PROGRAM or (line.strip() and not line.startswith(margin)):
            break
        kept.append(line.removeprefix(margin))
    return kept


def _margin(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" \t"))]


def _first_wrong(tree: ast.Module, following: str, margin: str) -> int:
    r"""Return the number of the first line that is not code of a program, or 0.

    In "def f(x):\n    y = 1\n    z = (]\n    return y" the first two lines can be parsed. They are not the program:
    its third line is wrong, and the program is all of the text.

    Args:
        tree: the program.
        following: the line after it.
        margin: its indentation in the answer.
    """
    for statement in tree.body:
        if is_prose(statement):
            return statement.lineno
    if not tree.body:
        return 1
    last = tree.body[-1]
    goes_on = following.startswith((f"{margin} ", f"{margin}\t")) and not _FENCE_LINE.match(following)
    if not goes_on or not hasattr(last, "body"):
        return 0
    decorated: list[ast.stmt | ast.expr] = [last, *getattr(last, "decorator_list", [])]
    return min(node.lineno for node in decorated)
