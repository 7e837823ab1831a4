"""Store the outcomes of an ingestion's programs, so that each runs once, even after a kill."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from iterpref_core.execution import ENGINE, Engine, Outcome, program_of
from iterpref_core.records import Problem
from iterpref_core.records.digest import digest_of
from iterpref_core.storage.sqlite import Database

_SCHEMA = ("CREATE TABLE IF NOT EXISTS outcomes (program TEXT PRIMARY KEY, outcome TEXT NOT NULL) WITHOUT ROWID",)


class OutcomeStore:
    """An engine with a memory in a file: a program that was run with the same tests and limits is not run again.

    Args:
        path: SQLite file.
        executor: runs new programs.
    """

    def __init__(self, path: Path, executor: Engine) -> None:
        self._data = Database(path, _SCHEMA)
        self._executor = executor

    def run(self, problem: Problem) -> Callable[[str], Outcome]:
        """Return a function that runs a program with all tests of a problem; it may be called from any thread.

        The function raises an ExecutionError if the engine failed.
        """
        # The digest of many tests takes long, and is made once for all programs.
        tests = [problem.tests_digest, problem.inside, problem.time_limit_s]

        def judge(code: str) -> Outcome:
            decisive = [ENGINE, *tests, code, repr(self._executor.limits)]
            key = digest_of(decisive)
            known = self._data.row("SELECT outcome FROM outcomes WHERE program = ?", (key,))
            if known is not None:
                fields = json.loads(known[0])
                return Outcome(**fields)
            outcome = self._executor.run_one(program_of(problem, code))
            # An infra_error is not stored: its cause is the machine, and the next call runs the program again.
            if outcome.verdict != "infra_error":
                text = json.dumps(asdict(outcome))
                self._data.execute("INSERT OR REPLACE INTO outcomes VALUES (?, ?)", (key, text))
            return outcome

        return judge

    def close(self) -> None:
        """Close the file."""
        self._data.close()
