"""Paths of this machine, and the names that feedback shows in their place: feedback is the same on every machine.

>>> paths = MachinePaths([("/home/me/env/lib/python3.11", "lib"), ("/tmp/x7/w", ".")])
>>> paths.hide("cannot import name 'a' from 'json' (/home/me/env/lib/python3.11/json/__init__.py)")
"cannot import name 'a' from 'json' (lib/json/__init__.py)"
>>> paths.hide(["/tmp/x7/w/data.txt", "/tmp/x7/window"])
['./data.txt', '/tmp/x7/window']
"""

import re
from collections.abc import Iterable
from typing import Any

_UNMISTAKABLE = 3
"""Parts of a path that is nothing else by accident."""


def _pattern_of(path: str) -> str:
    # A short one, such as `/job`, may be the end of another path.
    if path.count("/") < _UNMISTAKABLE:
        return r"(?<![\w/])" + re.escape(path)
    return re.escape(path)


class MachinePaths:
    """Paths with the names that people are shown instead.

    Args:
        names: path and name, at least one; of paths that lie in each other the longer one counts.
    """

    def __init__(self, names: Iterable[tuple[str, str]]) -> None:
        self._names = {path: name for path, name in names if len(path) > 1}
        longest_first = sorted(self._names, key=len, reverse=True)
        any_of_them = "|".join(map(_pattern_of, longest_first))
        # `/tmp/x7/w` is not the beginning of `/tmp/x7/window`.
        self._pattern = re.compile(rf"(?:{any_of_them})(?![\w.-])")

    def hide(self, value: Any) -> Any:
        """Return a text with names for its paths; of lists and dictionaries, all texts."""
        if isinstance(value, str):
            return self._pattern.sub(lambda match: self._names[match[0]], value)
        if isinstance(value, list):
            return [self.hide(item) for item in value]
        if isinstance(value, dict):
            return {key: self.hide(item) for key, item in value.items()}
        return value
