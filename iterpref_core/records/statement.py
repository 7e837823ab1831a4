r"""Recognize a task by its statement, however that was published.

- The exact form decides if two statements are the same, for names, splits and repetitions. Case, blanks, layout and
  punctuation do not count; neither do system messages and the words that an ingestion adds. Text in quotes counts
  letter by letter, and so does a single letter.
- The loose form has only the words, and measures overlap.
"""

import hashlib
import html
import re
import unicodedata
from collections.abc import Iterator, Sequence

from .prompt_messages import Prompt

# Marks around a word that are removed. `.5`, `>`, `-1`, `*args` and `__len__` keep theirs.
_QUOTES = "\"'`"
# Marks after a word that are removed.
_MARKS = ".,;:?"
# Marks that are removed after two letters or more: in `n!` and `10!` the mark has a meaning.
_BEHIND_LETTERS = f"{_MARKS}!"
# Characters without a width, from web pages.
_INVISIBLE = re.compile("[\u00ad\u200b-\u200d\u2060\ufeff]")
# Requests for a program that an ingestion adds after a statement.
ASKED_TESTS = "Your code should pass these tests:\n\n"
ASKED_DECLARATIONS = "Write Python code that defines:\n"
ASKED_SCRIPT = "Write a Python program that reads standard input and prints its answer."
ASKED_DEFINITION = "Write a Python "
ASKED_BEGINNING = " Begin with:\n```python\n"
_NAME = r"`[^`\n]+`"
# A request at the end of a statement, such as "Write a Python function `add`."
_ADDED = re.compile(
    rf"""(?<!\s)\s++(?:
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
# Inline code and quoted text in one line.
_QUOTED = re.compile(
    r"""
    (?<!`)(?P<ticks>`{1,2})(?!`)(?P<code>[^`\n]+)(?P=ticks)(?!`)
    | (?<!\w)"(?P<double>[^"\n]+)"(?!\w)
    | (?<!\w)'(?P<single>[^'\n]+)'(?!\w)  # the apostrophes of "the list's" and "lists'" open nothing
    | “(?P<curved>[^”\n]+)”
    | ‘(?P<bent>[^’\n]+)’(?!\w)
    """,
    re.VERBOSE,
)
# The place of a quoted text, by its number, between two characters for private use.
_PLACE = re.compile("\ue000(\\d+)\ue001")
# Typographic signs → the signs of a keyboard.
_TYPOGRAPHY = str.maketrans(dict.fromkeys("‘’‚", "'") | dict.fromkeys("“”„", '"') | dict.fromkeys("–—−‐‑", "-")) | {
    ord(sign): plain for sign, plain in {"…": "...", "≤": "<=", "≥": ">=", "≠": "!=", "⋅": "·"}.items()
}
# Commands of TeX → signs and words.
_COMMANDS = {"le": "<=", "ge": ">=", "ne": "!=", "lt": "<", "gt": ">", "times": "×", "cdot": "·", "dots": "..."}
_COMMANDS |= {"leq": "<=", "geq": ">=", "neq": "!=", "ldots": "...", "cdots": "..."}
_COMMANDS |= {"min": "min", "max": "max", "gcd": "gcd", "log": "log", "bmod": "mod"}
_COMMAND = re.compile(rf"\\({'|'.join(_COMMANDS)})(?![a-zA-Z])")
# An element of HTML without other elements in it.
_TAG = re.compile(
    r"<(?P<name>p|pre|div|ul|ol|li|h[1-6]|b|i|em|strong|code|var|span|sub|sup)(?:\s[^<>]*)?>"
    r"(?P<inner>[^<>]*(?:<=?\s[^<>]*)*)</(?P=name)>"
)
# Layout of pages, and its replacement in the exact form.
_LAYOUT = (
    (re.compile(r"<br ?/?>\s*\n"), "\n"),
    (re.compile(r"(?<!\$)\$++(?!\s)([^$\n]*[^\s$])\$++(?!\d)"), r"\1"),  # $n$ and $$$n$$$, but no prices: $5 or $6
    (re.compile(r"\\\(([^\\\n]+)\\\)"), r"\1"),
    (re.compile(r"([\^_])\{(\w+)\}"), r"\1\2"),  # 10^{5} is 10^5
    (re.compile(r"(?<![\w*])(\*{1,3})(?=[^\s*])([^*\n]+)(?<=\S)\1(?![\w*])"), r"\2"),  # **bold**, but no *args
    (re.compile(r"^[ \t]*(?:\#{1,6}|[-*•])[ \t]+", re.MULTILINE), ""),  # headings and lists of Markdown
    (re.compile(r"(?<!\S)[-=]{3,}|(?<![-=])[-=]{3,}+(?!\S)"), " "),  # -----Input-----
    (re.compile(r"(?<![ \t])[ \t]*+(<=|>=|!=|<|>)[ \t]*"), r" \1 "),
)
# A mark in the text for each rule above.
_LAYOUT_MARK = re.compile(r"[\\<>$^_*#•]|[-=]{2}|!=|^[ \t]*-", re.MULTILINE)
_WORD = re.compile(r"\w+")


def exact_form(prompt: Prompt) -> str:
    r"""Return the task that a prompt sets, so that equal statements are equal texts.

    >>> exact_form("Add a  and b.") == exact_form("add `a` and b")
    True
    >>> exact_form("Split at ','") == exact_form("Split at ';'"), exact_form("Is n > 0?") == exact_form("Is n < 0?")
    (False, False)
    >>> exact_form("Print **n!** and 'a?', if $1 \\le n$.")
    'print n! and "a?" if 1 <= n'
    """
    texts = [prompt] if isinstance(prompt, str) else [each.content for each in prompt if each.role != "system"]
    statement = _without_asks("\n".join(texts))
    if not statement.isascii():
        # "é" may be one character or two.
        statement = unicodedata.normalize("NFC", _INVISIBLE.sub("", statement)).translate({0xE000: None})
    quoted: list[str] = []

    def keep(match: re.Match[str]) -> str:
        content = next(filter(None, match.group("code", "double", "single", "curved", "bent")))
        # `n` is n, and "done" is done; 'B', ' ' and "done." are kept unchanged.
        quoted.append(content if content == _plain(content) else f'"{content}"')
        return f"\ue000{len(quoted) - 1}\ue001"

    # Take quotes out first, since '&lt;' in quotes is not layout. A page may also encode quotes: &quot;n&quot;.
    statement = _QUOTED.sub(keep, statement)
    if "&" in statement:
        statement = _QUOTED.sub(keep, html.unescape(statement))
    plain = _plain(_without_layout(statement))
    return _PLACE.sub(lambda match: quoted[int(match[1])], plain)


def _without_asks(statement: str) -> str:
    """Return a statement without the requests that ingestions have added."""
    # A prompt that is only a request is a statement.
    while (shorter := _ADDED.sub("", statement)) and shorter != statement:
        statement = shorter
    return statement


def _without_layout(text: str) -> str:
    """Return a text without the marks of HTML, TeX and Markdown, and with plain signs for typographic ones."""
    if not text.isascii():
        text = text.translate(_TYPOGRAPHY)
    # Most statements have none of the marks.
    if not _LAYOUT_MARK.search(text):
        return text
    text = _COMMAND.sub(lambda match: _COMMANDS[match[1]], text)
    # Tags inside of others are undone first.
    while (plain := _TAG.sub(_undone, text)) != text:
        text = plain
    for layout, plain in _LAYOUT:
        text = layout.sub(plain, text)
    return text


def _undone(tag: re.Match[str]) -> str:
    # 10<sup>5</sup> is 10^5.
    if tag["name"] == "sup":
        return f"^{tag['inner']}"
    # "<p>Add.</p><p>Print.</p>" has two lines, "<b>A</b>dd" has one word.
    is_block = tag["name"][0] in "pduolh"
    return f"\n{tag['inner']}\n" if is_block else tag["inner"]


def _plain(text: str) -> str:
    """Return a text in small letters, with one blank between words, and without the marks of sentences."""
    return " ".join(map(_bare, text.split()))


def _bare(word: str) -> str:
    """Return a word in small letters without quotes and punctuation, unless it has only these.

    A single letter keeps its case, since C and c may mean two things. The article A is an exception.
    """
    # Most words need no more than this.
    if word.isascii() and word.isalnum() and len(word) > 1:
        return word.lower()
    unmarked = _without(_MARKS, word) or word
    bare = unmarked
    if unmarked.strip(_QUOTES):
        bare = _without(_MARKS + _QUOTES, unmarked.lstrip(_QUOTES)) or unmarked
    if len(bare) == 1 and bare != "A":
        return bare
    return unicodedata.normalize("NFC", bare.casefold())


def _without(marks: str, word: str) -> str:
    """Return a word without the given marks after it; after two letters, all punctuation is removed."""
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
    """Yield each run of `number` words in a row.

    >>> list(word_runs(["split", "at", "then", "add"], 3))
    [('split', 'at', 'then'), ('at', 'then', 'add')]
    """
    return zip(*(words[start:] for start in range(number)), strict=False)
