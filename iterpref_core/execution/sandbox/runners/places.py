"""The files of a test that runs inside."""

from typing import NamedTuple


class Places(NamedTuple):
    """The paths of a test and of the program that it tests.

    Attributes:
        test: path of the test's file.
        solution: path of the program's file.
    """

    test: str
    solution: str
