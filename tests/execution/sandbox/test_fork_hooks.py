"""Functions around `os.fork` run only where programs may fork."""

import subprocess
import sys

import pytest

from iterpref_core.execution.isolation.interpreters import own_runtime
from iterpref_core.execution.isolation.tiers import Plan, command

FORK = """
import os
os.register_at_fork(after_in_child=lambda: os.write(1, b"in the child"))
if os.fork() == 0:
    os._exit(0)
os.wait()
"""


@pytest.mark.parametrize(("processes", "printed"), [(True, b"in the child"), (False, b"")])
def test_hooks_of_a_zygote(processes, printed):
    runtime = own_runtime()._replace(processes=processes)
    *_, code = command(Plan("B", ()), "sandbox.zygote", "/job", 1, runtime)
    started, _, main = code.rpartition("\n")
    assert main.endswith("main()")
    done = subprocess.run([sys.executable, "-c", started + FORK], capture_output=True, check=True)
    assert done.stdout == printed
