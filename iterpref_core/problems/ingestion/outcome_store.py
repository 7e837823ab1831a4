"""Outcome store: what became of the programs of an ingestion, so that a killed one runs none of them again."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

from iterpref_core.execution import ENGINE, Engine, Outcome, program_of
from iterpref_core.records import Problem, Sample
from iterpref_core.storage.sqlite import Database

_SCHEMA = ("CREATE TABLE IF NOT EXISTS outcomes (program TEXT PRIMARY KEY, outcome TEXT NOT NULL) WITHOUT ROWID",)


class OutcomeStore:
    """An engine that remembers, in a file: a program that was run with the same tests and limits is not run again.

    Args:
        path: SQLite file.
        executor: runs the programs.
    """

    def __init__(self, path: Path, executor: Engine) -> None:
        self._data = Database(path, _SCHEMA)
        self._executor = executor

    def run(self, problem: Problem, code: str) -> Outcome:
        """Return what becomes of a program with all tests of a problem; may be called from any thread.

        Raises:
            ExecutionError: the engine failed.
        """
        key = self._key(problem, code)
        known = self._data.row("SELECT outcome FROM outcomes WHERE program = ?", (key,))
        if known is not None:
            return Outcome(**json.loads(known[0]))
        sample = Sample(task_id=problem.task_id, solution=code)
        outcome = self._executor.run_one(program_of(problem, sample))
        # An infra_error says nothing about the program: the next call tries it again.
        if outcome.verdict != "infra_error":
            self._data.execute("INSERT OR REPLACE INTO outcomes VALUES (?, ?)", (key, json.dumps(asdict(outcome))))
        return outcome

    def close(self) -> None:
        """Close the file."""
        self._data.close()

    def _key(self, problem: Problem, code: str) -> str:
        decisive = [ENGINE, problem.tests_digest, problem.time_limit_s, code, repr(self._executor.limits)]
        return hashlib.sha256(json.dumps(decisive).encode()).hexdigest()
