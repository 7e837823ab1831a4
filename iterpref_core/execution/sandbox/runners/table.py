"""The runners, by name."""

from collections.abc import Callable
from typing import Any

from ...protocol.steps import RunStep
from .asserts import run_asserts
from .places import Places
from .pytest_runner import run_pytest_file
from .script_runner import run_script_test
from .unittest_runner import run_unittest

RUNNERS: dict[str, Callable[[RunStep, Places, dict[str, Any]], None]] = {
    "assert": run_asserts,
    "unittest": run_unittest,
    "pytest": run_pytest_file,
    "script": run_script_test,
}
"""Functions of a step, the places of its files and the names that the test sees; each raises where a test fails."""
