"""Fork hooks: the functions that modules register to be called around `os.fork`.

A program's process begins with those of `threading`, `random`, `logging` and others, which take a tenth of its CPU
time. They are of no use there: the zygote has one thread, holds no lock, and every program begins with the same
random numbers. Only programs that may fork themselves need them.

This module is imported before those that register hooks.
"""

import os
from collections.abc import Callable
from typing import Any

_register = os.register_at_fork
_postponed: list[dict[str, Callable[[], Any]]] = []


def _postpone(**hooks: Callable[[], Any]) -> None:
    _postponed.append(hooks)


os.register_at_fork = _postpone  # type: ignore[assignment]


def settle(*, processes: bool) -> None:
    """Register the hooks that were postponed, if programs may have processes, else drop them.

    Later ones are registered as usual.
    """
    os.register_at_fork = _register
    if processes:
        for hooks in _postponed:
            _register(**hooks)
    _postponed.clear()
