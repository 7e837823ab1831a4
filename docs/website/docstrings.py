"""Docstrings as mkdocstrings must be given them: their lists and doctests as GitHub's Markdown would show them."""

import re
from typing import Any

import griffe

from docs.website.github_markdown import for_python_markdown

_DOCTEST = re.compile(r"(?m)(?:^>>> .*\n?)(?:^.+\n?)*")


def docstring_markdown(text: str) -> str:
    """A docstring with its doctests as blocks of code, up to the next empty line.

    Args:
        text: without the indentation that all its lines share.
    """
    return for_python_markdown(_DOCTEST.sub(lambda block: f"```pycon\n{block[0].rstrip()}\n```\n", text), None)


class Docstrings(griffe.Extension):
    """Rewrites every docstring that Griffe finds."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """A module, class, function or attribute, with what is in it, was read."""
        if obj.docstring is not None:
            obj.docstring.value = docstring_markdown(obj.docstring.value)
