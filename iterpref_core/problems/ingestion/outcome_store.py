"""Run an ingestion's programs, and store their outcomes, so that no run is repeated after a kill."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path

from iterpref_core.execution import ENGINE, Engine, Outcome, open_executor, program_of
from iterpref_core.records import ExecutionParams, Problem, digest_of
from iterpref_core.storage.sqlite import Database

from .trials import Run

_SCHEMA = ("CREATE TABLE IF NOT EXISTS outcomes (program TEXT PRIMARY KEY, outcome TEXT NOT NULL) WITHOUT ROWID",)


@contextmanager
def open_trials(execution: ExecutionParams, store: Path) -> Iterator[tuple[Engine, Run]]:
    """Open an executor, and a function that runs a program with all tests of a problem, from any thread.

    A program that was run with the same tests and limits is not run again under the same number.

    Args:
        execution: limits for running programs.
        store: SQLite file of outcomes, which is removed when the block ends without an error.
    """
    with open_executor(execution) as executor, closing(Database(store, _SCHEMA)) as data:

        def run(problem: Problem, wall_s: float | None = None, number: int = 0) -> Callable[[str], Outcome]:
            # The digest of many tests takes long, and is made once for all programs.
            tests = [problem.tests_digest, problem.inside, problem.time_limit_s, wall_s, number]

            def judge(code: str) -> Outcome:
                key = digest_of([ENGINE, *tests, code, repr(executor.limits)])
                known = data.execute("SELECT outcome FROM outcomes WHERE program = ?", (key,))
                if known:
                    return Outcome(**json.loads(known[0][0]))
                outcome = executor.run_one(program_of(problem, code, wall_s))
                # An infra_error is not stored: its cause is the machine, and the next call runs the program again.
                if outcome.verdict != "infra_error":
                    text = json.dumps(asdict(outcome))
                    data.execute("INSERT OR REPLACE INTO outcomes VALUES (?, ?)", (key, text))
                return outcome

            return judge

        yield executor, run
    store.unlink(missing_ok=True)
