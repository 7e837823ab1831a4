"""The runner of `assert` tests: statements, which raise AssertionError where the program is wrong."""

from typing import Any

from ...protocol.steps import RunStep
from ..reports import compiled
from .places import Places


def run_asserts(step: RunStep, places: Places, names: dict[str, Any]) -> None:
    """Run statements among the names that all `assert` tests of a program share."""
    exec(compiled(step.source, places.test), names)
