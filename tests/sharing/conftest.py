"""The experiment of the report's tests."""

from tests.report.conftest import experiment

__all__ = ["experiment"]
