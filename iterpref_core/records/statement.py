r"""Recognize a task by its statement, however that was published.

- The merged form decides names, splits and contamination, where two tasks as one do no harm: letters and digits alone,
  without the layout of pages.
- The exact form decides repetitions, of which one is left out: the text, but for blanks, capitals at the beginnings of
  sentences, and typography.
- The loose form has only the words, and measures overlap.

System messages and the words that an ingestion adds count in none of them.
"""

import hashlib
import html
import re
import unicodedata
from collections.abc import Iterator, Sequence

from .prompt_messages import Prompt

# Requests for a program that an ingestion adds after a statement.
ASKED_TESTS = "Your code should pass these tests:\n\n"
ASKED_DECLARATIONS = "Write Python code that defines:\n"
ASKED_SCRIPT = "Write a Python program that reads standard input and prints its answer."
ASKED_DEFINITION = "Write a Python "
ASKED_BEGINNING = " Begin with:\n```python\n"
# The parts of a prompt for a function of somebody's own code; its signature and docstring follow.
ASKED_FUNCTION = "Write the {kind} `{name}` of the Python module `{module}`, so that it does what its docstring says."
ASKED_METHOD = " Give the method alone, without its class."
OUTLINE = "What there is in the module:\n\n```python\n{}\n```\n\n"
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
_OWN_FUNCTION = re.compile(
    rf"""(?P<asked>Write\ the\ (?:function|method)\ {_NAME}\ of\ the\ Python\ module\ {_NAME},\ so\ that[^\n]*\n\n)
    (?P<outline>What\ there\ is\ in\ the\ module:\n\n```python\n(?P<module>.*)\n```\n\n)?
    ```python\n(?P<head>(?:@|def\ |async\ def\ ).*)```\s*\Z""",
    re.VERBOSE | re.DOTALL,
)
# Layout of pages, which the merged form leaves out: `<br/>`, `<b class="x">`, the target of `[rules](…)`, the tag of a
# fence, and commands of TeX that are no words: `\le` and `\mathbf`, but not `\max`; of `\bmod` stays `mod`.
_LAYOUT = re.compile(
    r"""</?(?:p|pre|div|ul|ol|li|h[1-6]|b|i|em|strong|code|var|span|sub|sup|br)(?:\s+[\w-]+="[^"<>]*")*\s*/?>
    | (?<=\])\([^()\s]*\)
    | (?<=```)\w+
    | \\b(?=mod\b) | \\(?!(?:min|max|gcd|log|mod)\b)[a-zA-Z]{2,}""",
    re.VERBOSE,
)
# Blanks, but not those in quotes or inline code.
_BLANKS = re.compile(r"""`[^`\n]*`|(?<!\w)"[^"\n]*"|(?<!\w)'[^'\n]*'|(\s+)""")
_BEGINNING = re.compile(r"(?:^|(?<=[.!?:] ))[A-Z](?=[a-z])")
# A sign between letters or blanks is typography, in quotes it is what the task is about.
_TYPOGRAPHIC = re.compile(r"(?<![^\w\s])[–—−‐‑’…](?![^\w\s])|[“”]")
_PLAIN = {"’": "'", "…": "...", "“": '"', "”": '"'}
_WORD = re.compile(r"\w+")


def merged_form(prompt: Prompt) -> str:
    r"""Return the letters and digits of the task that a prompt sets, in small letters.

    >>> merged_form("Print **n!** if $1 \\le n$.") == merged_form("<p>print `n`, if 1 &lt;= n</p>")
    True
    >>> merged_form("Print [a_1](https://example.com).")
    'printa1'
    """
    statement = _statement(prompt)
    plain = unicodedata.normalize("NFKC", _LAYOUT.sub("", html.unescape(_LAYOUT.sub("", statement))))
    # A statement of signs alone is itself.
    return "".join(filter(str.isalnum, plain.casefold())) or statement


def exact_form(prompt: Prompt) -> str:
    r"""Return the task that a prompt sets, letter by letter but for blanks, first capitals and typography.

    >>> exact_form("Add a  and b.\nIt’s all.") == exact_form("add a and b. it's all.")
    True
    >>> exact_form("Convert kB."), exact_form("Join by '  '.")
    ('convert kB.', "join by '  '.")
    """
    statement = unicodedata.normalize("NFC", _statement(prompt)).strip()
    statement = _TYPOGRAPHIC.sub(lambda match: _PLAIN.get(match[0], "-"), statement)
    statement = _BLANKS.sub(lambda match: " " if match[1] else match[0], statement)
    return _BEGINNING.sub(lambda match: match[0].lower(), statement)


def _statement(prompt: Prompt) -> str:
    """Return the text of a prompt without system messages, the requests that ingestions add, and a module's outline."""
    texts = [prompt] if isinstance(prompt, str) else [each.content for each in prompt if each.role != "system"]
    statement = without_outline("\n".join(texts))
    # A prompt that is only a request is a statement.
    while (shorter := _ADDED.sub("", statement)) and shorter != statement:
        statement = shorter
    return statement


def read_own_function(text: str) -> re.Match[str] | None:
    """Return the parts of a prompt for a function of somebody's own code; None for every other prompt.

    `asked` is the request, which names function and module, `head` the function's signature and docstring. Between them
    `outline` may be, which has the source of the module's outline as `module`.
    """
    return _OWN_FUNCTION.search(text)


def without_outline(text: str) -> str:
    """Return the part of a prompt that states the task.

    The outline of a function's module is in the prompts of all other functions of the module as well, and changes with
    every one of them. So it is no part of the task.
    """
    found = read_own_function(text)
    return text if found is None else f"{found['asked']}```python\n{found['head']}```"


def statement_digest(prompt: Prompt) -> str:
    """Return a digest of the merged form: statements with one are on the same side of every split."""
    return hashlib.sha256(merged_form(prompt).encode("utf-8", "surrogatepass")).hexdigest()[:16]


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
