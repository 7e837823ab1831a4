"""The small experiment of the tests of the report."""

from tests.evaluation.report.conftest import experiment

__all__ = ["experiment"]
