"""Replace paths of this machine by names, so that feedback is the same on every machine.

>>> paths = MachinePaths([("/home/me/env/lib/python3.11", "lib"), ("/tmp/x7/w", ".")])
>>> paths.hide("cannot import name 'a' from 'json' (/home/me/env/lib/python3.11/json/__init__.py)")
"cannot import name 'a' from 'json' (lib/json/__init__.py)"
>>> paths.hide(["/tmp/x7/w/data.txt", "/tmp/x7/window"])
['./data.txt', '/tmp/x7/window']
"""

import re
from collections.abc import Iterable
from typing import Any


class MachinePaths:
    """Paths with the names that people are shown instead.

    Args:
        names: path and name, at least one; of paths that lie in each other the longer one counts, and of two names of
            a path the first.
    """

    def __init__(self, names: Iterable[tuple[str, str]]) -> None:
        self._names: dict[str, str] = {}
        for path, name in names:
            if len(path) > 1:
                # `/` alone would match every path.
                self._names.setdefault(path, name)
        # `/usr/lib/python3.11` before `/usr`
        longest_first = sorted(self._names, key=len, reverse=True)
        any_of_them = "|".join(map(re.escape, longest_first))
        # `/tmp/x7/w` is neither the beginning of `/tmp/x7/window` nor the end of `/my/tmp/x7/w`.
        self._pattern = re.compile(rf"(?<![\w/])(?:{any_of_them})(?![\w.-])")

    def hide(self, value: Any) -> Any:
        """Return a text with names for its paths; of lists and dictionaries, all texts."""
        if isinstance(value, str):
            return self._pattern.sub(lambda match: self._names[match[0]], value)
        if isinstance(value, list):
            return [self.hide(item) for item in value]
        if isinstance(value, dict):
            return {key: self.hide(item) for key, item in value.items()}
        return value
