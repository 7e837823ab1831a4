r"""Statements: the task that a prompt sets, in two forms.

- The exact form tells statements apart: for identity, for splits, for repetitions. Case, blanks, quotes around words
  and the marks of a sentence do not count; neither do an ingestion's additions, nor the words of a system.
- The loose form, the words alone, is for overlap.
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterator, Sequence

from iterpref_core.records.prompt_messages import Prompt

_QUOTES = "\"'`*_"
"""Marks around a word that do not make another statement; `.5`, `>` and `-1` do."""
_MARKS = ".,;:?"
"""Marks behind a word that do not make another statement."""
_BEHIND_LETTERS = f"{_MARKS}!"
"""Such marks behind two letters or more: in `n!` and `10!` the mark does make another one."""
_INVISIBLE = re.compile("[\u00ad\u200b-\u200d\u2060\ufeff]")
"""Characters without a width, which web pages have in their texts."""
ASKED_TESTS = "Your code should pass these tests:\n\n"
ASKED_DECLARATIONS = "Write Python code that defines:\n"
ASKED_SCRIPT = "Write a Python program that reads standard input and prints its answer."
ASKED_DEFINITION = "Write a Python "
ASKED_BEGINNING = " Begin with:\n```python\n"
"""The words with which an ingestion asks for a program, behind the statement that it has read."""
_NAME = r"`[^`\n]+`"
_ADDED = re.compile(
    rf"""\s+(?:
        {re.escape(ASKED_TESTS)}.*
        | {re.escape(ASKED_DECLARATIONS)}```.*```
        | (?:
              {re.escape(ASKED_SCRIPT)}
              | {re.escape(ASKED_DEFINITION)}(?:class|function)\ {_NAME}(?:\ with\ a\ method\ {_NAME})?\.
          )
          (?:\ Also\ define\ {_NAME}(?:,\ {_NAME})*\.)?
          (?:{re.escape(ASKED_BEGINNING)}.*```)?
    )\s*\Z""",
    re.VERBOSE | re.DOTALL,
)
_WORD = re.compile(r"\w+")


def exact_form(prompt: Prompt) -> str:
    """Return the task that a prompt sets, so that equal statements are equal texts.

    >>> exact_form("Add a  and b.") == exact_form("add `a` and b")
    True
    >>> exact_form("Split at ','") == exact_form("Split at ';'"), exact_form("Is n > 0?") == exact_form("Is n < 0?")
    (False, False)
    >>> exact_form("Print n! and 'a?'.")
    'print n! and a?'
    """
    texts = [prompt] if isinstance(prompt, str) else [each.content for each in prompt if each.role != "system"]
    statement = "\n".join(texts)
    # A prompt of nothing but such words is a statement all the same.
    statement = _ADDED.sub("", statement) or statement
    words = unicodedata.normalize("NFC", _INVISIBLE.sub("", statement.casefold())).split()
    return " ".join(map(_bare, words))


def _bare(word: str) -> str:
    """Return a word without quotes and the marks of a sentence; a word of nothing else stays."""
    unmarked = _without(_MARKS, word) or word
    if not unmarked.strip(_QUOTES):
        return unmarked
    quotes = 0
    while unmarked[quotes] == unmarked[-1 - quotes] and unmarked[quotes] in _QUOTES:
        quotes += 1
    if quotes:
        inner = _without("", unmarked[quotes:-quotes])  # in `'a?'` the mark is of the word
    else:
        inner = _without(_MARKS + _QUOTES, unmarked.lstrip(_QUOTES))  # `"well` and `done."` of `"well done."`
    return inner or unmarked


def _without(marks: str, word: str) -> str:
    """Return a word without marks behind it: the given ones, and behind two letters all those of a sentence."""
    bare = word.rstrip(_BEHIND_LETTERS + marks)
    if len(bare) > 1 and bare[-2:].isalpha():
        return bare
    return word.rstrip(marks)


def statement_digest(prompt: Prompt) -> str:
    """Return a digest of the exact form: equal statements are one problem."""
    return hashlib.sha256(exact_form(prompt).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def statement_name(prompt: Prompt) -> str:
    """Return the name of a problem whose source does not name it, the same for equal statements."""
    return f"problem-{statement_digest(prompt)}"


def loose_words(text: str) -> list[str]:
    """Return the loose form: the words of a text in small letters, without marks.

    >>> loose_words("Split at ',', then add.")
    ['split', 'at', 'then', 'add']
    """
    return _WORD.findall(unicodedata.normalize("NFC", text.lower()))


def word_runs(words: Sequence[str], number: int) -> Iterator[tuple[str, ...]]:
    """Yield each run of so many words in a row.

    >>> list(word_runs(["split", "at", "then", "add"], 3))
    [('split', 'at', 'then'), ('at', 'then', 'add')]
    """
    return zip(*(words[start:] for start in range(number)), strict=False)
