"""Comparisons of arrays: the places of a test in which nothing was compared, because an array was empty.

numpy spreads a number over an array of any size, so that no item of an empty array differs from 4:

    assert f(2) == pytest.approx(4)          passes if f(2) is np.array([])
    np.testing.assert_allclose(f(2), 4)      passes, too

A right program may return an empty array at times, as in a loop over sizes. So a place fails in which each comparison
was one of nothing.
"""

import contextlib
import functools
import importlib
import inspect
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


class Comparisons:
    """The comparisons that a test has made by functions of numpy and pytest.

    Args:
        is_of_test: tells whether a file is one of the test's.
    """

    def __init__(self, is_of_test: Callable[[str], bool]) -> None:
        # Line of the test, and whether something was compared there.
        self._places: dict[tuple[str, int], bool] = {}
        self._is_of_test = is_of_test
        self._watched: set[str] = set()

    def of_nothing(self) -> int | None:
        """Return the line of a place in which nothing was compared; None if there is none."""
        return next((line for (_, line), is_compared in self._places.items() if not is_compared), None)

    def watch_numpy(self) -> None:
        """Note all comparisons by functions of numpy from now on; to load numpy takes a tenth of a second."""
        if "numpy" in self._watched:
            return
        self._watched.add("numpy")
        # Functions such as `assert_allclose` and `allclose` look these two up in their modules, however a test has
        # imported them.
        with contextlib.suppress(ImportError):
            testing = importlib.import_module("numpy.testing")
            self._watch(inspect.unwrap(testing.assert_allclose).__globals__, "assert_array_compare", 1)
            numpy = importlib.import_module("numpy")
            self._watch(inspect.unwrap(numpy.allclose).__globals__, "isclose", 0)
            self._watch(vars(numpy), "isclose", 0)

    def watch_pytest(self) -> None:
        """Note all comparisons by `pytest.approx` from now on."""
        if "pytest" in self._watched:
            return
        self._watched.add("pytest")
        with contextlib.suppress(ImportError):
            scalar = importlib.import_module("_pytest.python_api").ApproxScalar
            equal = scalar.__eq__

            def near(approx: Any, actual: Any) -> Any:
                self._note(actual, 0)
                return equal(approx, actual)

            scalar.__eq__ = near

    def _watch(self, names: dict[str, Any], name: str, first: int) -> None:
        function = names[name]

        @functools.wraps(function)
        def compare(*args: Any, **named: Any) -> Any:
            if len(args) >= first + 2:
                self._note(args[first], args[first + 1])
            return function(*args, **named)

        names[name] = compare

    def _note(self, one: Any, other: Any) -> None:
        sizes = (_size_of(one), _size_of(other))
        frame: FrameType | None = sys._getframe(2)  # noqa: SLF001 - the place is in a frame further up
        while frame is not None and not self._is_of_test(frame.f_code.co_filename):
            frame = frame.f_back
        if frame is not None:
            place = (frame.f_code.co_filename, frame.f_lineno)
            is_compared = 0 not in sizes or sizes == (0, 0)
            self._places[place] = self._places.get(place, False) or is_compared


def _size_of(value: Any) -> int:
    """Return how many items are compared; one for a value that is neither an array nor plain data."""
    numpy = sys.modules.get("numpy")
    if numpy is not None and type(value) is numpy.ndarray:
        return int(value.size)
    return len(value) if type(value) in (list, tuple) else 1
