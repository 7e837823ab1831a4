"""Plain Python, the oracle of composed tests."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence

from tests.settings import ROOT


def passes_in_plain_python(solution: str, test: str) -> bool:
    """Whether a test passes where it runs beside its solution, without a judge. Only texts of these tests are run."""
    names: dict[str, object] = {}
    exec(solution, names)
    try:
        exec(test, names)
    except Exception:  # noqa: BLE001 - whatever a composed test raises
        return False
    return True


def each_passes_in_plain_python(pairs: Sequence[tuple[str, str]]) -> list[bool]:
    """Return for each solution and test whether it passes, each in a process of its own, whose state it may change.

    These are forks of a new interpreter: a fork of the process of the tests, which has threads, may wait for ever.
    """
    command = [sys.executable, "-W", "ignore", "-m", "tests.execution.sandbox.judge.plain_python"]
    done = subprocess.run(command, input=json.dumps(pairs), capture_output=True, text=True, check=True, cwd=ROOT)
    passed: list[bool] = json.loads(done.stdout.splitlines()[-1])
    return passed


def main() -> None:
    """Read solutions with their tests, and print which of them pass."""
    passed = []
    for solution, test in json.load(sys.stdin):
        child = os.fork()
        if child == 0:
            status = 2
            try:
                status = 0 if passes_in_plain_python(solution, test) else 1
            finally:
                os._exit(status)
        passed.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0)
    print(json.dumps(passed))


if __name__ == "__main__":
    main()
