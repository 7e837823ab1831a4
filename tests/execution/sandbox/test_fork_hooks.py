"""Functions around `os.fork` run only where programs may fork."""

import subprocess
import sys

import pytest

from iterpref_core.execution.isolation.tiers import CODE

FORK = f"""
import os, sys
sys.path.insert(0, {str(CODE / "sandbox")!r})
import fork_hooks
os.register_at_fork(after_in_child=lambda: os.write(1, b"early "))
fork_hooks.settle(processes=PROCESSES)
os.register_at_fork(after_in_child=lambda: os.write(1, b"late "))
if os.fork() == 0:
    os._exit(0)
os.wait()
"""


@pytest.mark.parametrize(("processes", "printed"), [("True", b"early late "), ("False", b"late ")])
def test_hooks_that_were_registered_early(processes: str, printed: bytes) -> None:
    done = subprocess.run([sys.executable, "-c", FORK.replace("PROCESSES", processes)], capture_output=True, check=True)
    assert done.stdout == printed
