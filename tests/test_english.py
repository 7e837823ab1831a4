"""Docstrings, comments, messages and pages are plain English: constructions that are hard to read are rare in them.

Each pattern is rare in technical English. A sentence that needs one of them may keep it; the bar is for the whole tree.
"""

import ast
import io
import re
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.settings import ROOT

pytestmark = pytest.mark.together("sources")  # parsed once

CONSTRUCTIONS = {
    "a relative clause with a preposition": r"(?:of|to|in|by|from|for|with|on|at|behind|under) (?:which|whom|whose)",
    "behind (after)": "behind",
    "beside (next to, with)": "besides?",
    "tell (report)": "tells?|told|telling",
    "say (state, print)": "says?|said|saying",
    "a pronoun for the noun": "(?:those|that|ones?|what) (?:that|which|of)",
    "such, so many, as many": "such (?!as)|so many|as many|so much",
    "nothing, nobody, none of": "nothing|nobody|none of|no one",
    "is no, are none": "(?:is|are|was) (?:no|none)",
    "…, too": ", too",
    "in place of (instead of)": "in place of",
    "stand (be)": "stands?|stood",
}
COUNTED = {name: re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE) for name, words in CONSTRUCTIONS.items()}
PER_10_000_WORDS = 30
GLOSS = re.compile(r"^[A-Z][\w'’ ,-]{0,40}: [a-z]")
"""How a docstring begins that names a thing and then glosses it: "Files: those that a run takes"."""
GLOSSES = 0.02
CODE = ("iterpref_core", "flows", "tasks")
PAGES = ("docs", "README.md", ".github")


def files_of(names: tuple[str, ...], suffix: str) -> list[Path]:
    """Return the files with a suffix in these files and folders."""
    found = []
    for name in names:
        path = ROOT / name
        found += sorted(path.rglob(f"*{suffix}")) if path.is_dir() else [path]
    return [path for path in found if path.suffix == suffix]


def prose_of_page(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of a page with their numbers, apart from code, tables and HTML."""
    in_code = False
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.lstrip().startswith("```"):
            in_code = not in_code
        elif not in_code and not line.startswith(("|", "<")):
            yield number, line


def prose_of_module(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of docstrings and comments, and messages (texts of five words or more), with their numbers."""
    source = path.read_text()
    nodes = list(ast.walk(ast.parse(source)))
    docstrings = {node.value for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            lines = node.value.splitlines()
            if node in docstrings:
                yield from enumerate(lines, node.lineno)
            elif len(lines) == 1 and len(words_of(node.value)) >= 5:
                yield node.lineno, node.value
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def words_of(text: str) -> list[str]:
    """Return the words of a text."""
    return re.findall(r"[A-Za-z']+", text)


def test_the_twelve_constructions_are_rare():
    words = 0
    found = []
    for path in files_of((*CODE, *PAGES), ".py") + files_of(PAGES, ".md"):
        prose = prose_of_page if path.suffix == ".md" else prose_of_module
        for number, text in prose(path):
            words += len(words_of(text))
            for name, pattern in COUNTED.items():
                places = len(pattern.findall(text))
                found += [(f"{path.relative_to(ROOT)}:{number}", name, text.strip())] * places
    rate = 10_000 * len(found) / words
    worst = Counter(place.partition(":")[0] for place, _, _ in found).most_common(10)
    lines = [f"{place}: {name}: {text[:100]}" for place, name, text in found if place.startswith(worst[0][0])]
    assert rate <= PER_10_000_WORDS, "\n".join([f"{rate:.1f} per 10,000 words", *map(str, worst), *lines])


def test_modules_open_with_a_sentence():
    modules = [(path, ast.get_docstring(ast.parse(path.read_text()))) for path in files_of(CODE, ".py")]
    glosses = [str(path.relative_to(ROOT)) for path, text in modules if text and GLOSS.match(text)]
    assert len(glosses) <= GLOSSES * len(modules), glosses
