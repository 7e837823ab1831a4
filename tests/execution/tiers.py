"""The sandbox's tiers as parameters of fixtures: the best tier of this machine is quick, and any other is slow."""

from types import SimpleNamespace

import pytest

from iterpref_core.execution import probe_isolation
from iterpref_core.execution.isolation.tiers import HOW_TO_GET

BWRAP = SimpleNamespace(problem=probe_isolation()["bwrap"], how=HOW_TO_GET["bwrap"])


def tier(name, *marks):
    """Return a tier, A or B, as a parameter with its marks: skipped where it cannot be had."""
    if name == "A" and BWRAP.problem:
        return pytest.param(
            name, marks=[*marks, pytest.mark.skip(f"tier A cannot be had here: {BWRAP.problem}; {BWRAP.how}")]
        )
    if name == "B" and not BWRAP.problem:
        return pytest.param(name, marks=[*marks, pytest.mark.slow])
    return pytest.param(name, marks=marks)


def tiers(what):
    """Return both tiers; tests of one of them run in one worker, beside those of the other."""
    return [tier(name, pytest.mark.together(f"{what} {name}")) for name in ("A", "B")]
