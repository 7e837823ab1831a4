"""Recognize Python 3 by the names that data sets give to languages."""

import re

_PYTHON = re.compile(r"(?:c?python|pypy|py)\s*-?_?\s*\(?(\d*)(?:[.\s(+_-].*)?\)?", re.IGNORECASE | re.DOTALL)


def is_python_3(language: str) -> bool:
    """Return True if a data set's name of a language is Python 3, or Python without a version.

    >>> [is_python_3(name) for name in ("Python 3", "python", "PyPy 3-64", "Python (3.8.2)", "py3")]
    [True, True, True, True, True]
    >>> [is_python_3(name) for name in ("PyPy 2", "Python2", "Ruby", "", "pyret", "MicroPython")]
    [False, False, False, False, False, False]
    """
    found = _PYTHON.fullmatch(language.strip())
    return (found is not None and found[1] in ("", "3")) or bool(re.fullmatch(r"py(?:thon)?3\d{1,2}", language.strip()))
