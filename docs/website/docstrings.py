"""Griffe extension: docstrings as mkdocstrings must be given them to show their lists and doctests."""

from typing import Any

import griffe

from docs.website.github_markdown import docstring_markdown


class Docstrings(griffe.Extension):
    """Rewrites every docstring that Griffe finds."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """A module, class, function or attribute, with what is in it, was read."""
        if obj.docstring is not None:
            obj.docstring.value = docstring_markdown(obj.docstring.value)
