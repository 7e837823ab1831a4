"""Workers that the tests of a file share."""

from tests.shared_workers import shared_workers

__all__ = ["shared_workers"]
