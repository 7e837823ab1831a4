"""Show the doctests of docstrings as blocks of code, in any section, as an extension of Griffe."""

import re
from typing import Any

import griffe

_DOCTEST = re.compile(r"(?m)^>>> .*\n?(?:^.+\n?)*")


class Doctests(griffe.Extension):
    """Puts a fence around each doctest, which ends at the next empty line."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """A module, class, function or attribute, with what is in it, was read."""
        if obj.docstring is not None:
            value = obj.docstring.value
            obj.docstring.value = _DOCTEST.sub(lambda block: f"```pycon\n{block[0].rstrip()}\n```\n", value)
