"""Coverage: which lines and branches of a program its tests reach, by coverage.py.

What is measured shares an interpreter with the measurement: a hostile program can lie about its own coverage, and
about nothing else.
"""

import json
import os
from typing import Any

_QUIET = ("already-imported", "module-not-imported", "no-data-collected", "trace-changed", "no-sysmon", "no-ctracer")


class Measurement:
    """Watches one source file from now on.

    Args:
        path: where the program is, or will be, as a file; absolute.
        code: its text.
        skip: lines at its beginning that do not count.
    """

    def __init__(self, path: str, code: str, skip: int) -> None:
        self._path, self._code, self._skip = path, code, skip
        self._coverage: Any = None
        try:
            import coverage
        except ImportError:  # a project's own environment need not have it
            return
        self._coverage = coverage.Coverage(
            data_file=None, branch=True, config_file=False, include=[path], messages=False
        )
        self._coverage.set_option("run:disable_warnings", list(_QUIET))
        self._coverage.start()

    def result(self) -> str:
        """What has been reached, as JSON: line numbers from 1, the lines that were skipped not counted.

        `null` if the program has made measuring impossible, or coverage.py is not installed here.
        """
        try:
            self._coverage.stop()
            with open(self._path, "w", encoding="utf-8") as file:
                file.write(self._code)
            return json.dumps(self._facts())
        except Exception:  # noqa: BLE001 - whatever the program has broken, its verdict must not depend on this
            return "null"

    def _facts(self) -> dict[str, Any]:
        _, statements, _, missing, _ = self._coverage.analysis2(self._path)
        branches = self._coverage.branch_stats(self._path)
        counted = [exits for line, exits in branches.items() if line > self._skip]
        return {
            "lines": len([line for line in statements if line > self._skip]),
            "missing": [line - self._skip for line in missing if line > self._skip],
            "branches": sum(possible for possible, _ in counted),
            "taken": sum(taken for _, taken in counted),
        }


def file_of(steps: list[tuple[str, Any]]) -> str:
    """The file that a program's tests import it from, or could."""
    modules = [body["module"] for kind, body in steps if kind == "script"]
    return os.path.join(os.getcwd(), (modules or ["solution"])[0].replace(".", "/") + ".py")
