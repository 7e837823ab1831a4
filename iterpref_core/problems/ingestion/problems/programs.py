r"""Programs of published sets: tells Python 3 from other languages by the text, and keeps the programs in Python 3."""

import re
from collections import Counter
from collections.abc import Iterable

from iterpref_core.problems.ingestion.problems.published import LeftOutError
from iterpref_core.programs.answers.extraction import extract_program
from iterpref_core.programs.source_code.syntax_tree import parse_source

MOST_RIGHT = 20
"""The number of right programs that are kept: a set can have hundreds for one problem. All wrong ones are kept, since
the nearest of all is looked for."""

_PYTHON_2 = re.compile(r"^\s*print\s+[^=(\s]|\braw_input\s*\(|\bxrange\s*\(", re.MULTILINE)


def program_in(answer: str) -> str:
    """Return the program in a model's answer; without one the answer itself, which is then counted by language."""
    return extract_program(answer) or answer


def language_of(code: str) -> str:
    r"""Return `python`, `python2`, or `other` for a program.

    >>> language_of("print(1)"), language_of("print 1"), language_of("int main(){}")
    ('python', 'python2', 'other')
    """
    old = _PYTHON_2.search(code)
    try:
        tree = parse_source(code)
    except SyntaxError:
        return "python2" if old else "other"
    return "python" if tree.body else "other"


def python_programs(programs: Iterable[str], left_out: Counter[str], most: int | None = None) -> tuple[str, ...]:
    """Return the distinct programs that are Python 3, at most so many, and count the others by language."""
    # The keys of a dictionary are a set in the order of insertion.
    kept: dict[str, None] = {}
    for program in programs:
        if len(kept) == most:
            break
        code = program.replace("\r\n", "\n")
        language = language_of(code)
        if language == "python":
            kept[code] = None
        else:
            left_out[language] += 1
    return tuple(kept)


def right_programs(programs: Iterable[str], left_out: Counter[str]) -> tuple[str, ...]:
    """Return the Python programs of a set that publishes right ones for every problem.

    Args:
        programs: programs in any language.
        left_out: counts the programs in other languages; may have counts already.

    Raises:
        LeftOutError: there is no program, or none in Python 3.
    """
    kept = python_programs((program for program in programs if program.strip()), left_out, MOST_RIGHT)
    if kept:
        return kept
    languages = sorted(set(left_out) - {"no_text"})
    if languages:
        raise LeftOutError("not_python", f"its programs are {', '.join(languages)}")
    raise LeftOutError("no_reference", "its programs are no texts" if left_out else "")
