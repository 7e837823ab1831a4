"""List the functions that run tests inside, by runner."""

from collections.abc import Callable
from typing import Any

from ...protocol.steps import RunStep
from .modules import run_script, run_unittest
from .pytest_runner import prepare_pytest, run_pytest_file

__all__ = ["RUNNERS", "prepare_pytest"]

RUNNERS: dict[str, Callable[[RunStep, str, str, dict[str, Any]], None]] = {
    "unittest": run_unittest,
    "pytest": run_pytest_file,
    "script": run_script,
}
"""Each function takes a step, the path of its file, the path of the solution and the names that the test sees. It
raises an error if the test fails."""
