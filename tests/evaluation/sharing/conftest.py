"""The experiment of the report's tests."""

from tests.evaluation.report.conftest import experiment

__all__ = ["experiment"]
