"""Answer store: on disk before it is used; whatever was received, and perhaps paid for, is never asked for again."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from iterpref_core.inference.backend import Completion, Request, Sampling
from iterpref_core.storage.sqlite import Database

_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS answers (
    key BLOB PRIMARY KEY, run TEXT NOT NULL, text TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, truncated INTEGER NOT NULL,
    model TEXT NOT NULL, prompt TEXT NOT NULL, seed INTEGER NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS answers_by_run ON answers (run, prompt_tokens, completion_tokens)",
)


@dataclass(frozen=True)
class Spent:
    """What a run has asked of a model so far: answers, and their tokens."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    @property
    def tokens(self) -> int:
        """Prompt and completion together."""
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(
            self.calls + other.calls,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
        )


def answer_key(model: str, request: Request, sampling: Sampling) -> bytes:
    """What an answer is kept under: model, prompt, sampling parameters and the seed, which numbers the samples.

    A request in no special form has the key that it had before there were any.
    """
    decisive: list[object] = [
        *(model, request.prompt, sampling.temperature, sampling.max_new_tokens, request.seed),
    ]
    form = (request.system, request.verbatim, sampling.stops)
    if any(form):
        decisive += form
    return hashlib.sha256(json.dumps(decisive).encode()).digest()


class AnswerStore:
    """A `Database` of answers, shared by all runs; a context manager. Nothing is held in memory.

    Args:
        path: the file; created where it is missing.
        run: what is asked from now on is counted as spent by this run.

    Raises:
        InputError: the file is no such store, or cannot be written.
    """

    def __init__(self, path: Path, run: str) -> None:
        self.run = run
        self._data = Database(path, _SCHEMA)

    def get(self, key: bytes) -> Completion | None:
        """The answer kept under a key."""
        row = self._data.row(
            "SELECT text, prompt_tokens, completion_tokens, truncated FROM answers WHERE key = ?", (key,)
        )
        return None if row is None else Completion(row[0], row[1], row[2], bool(row[3]))

    def put(self, key: bytes, answer: Completion, model: str, request: Request) -> None:
        """Keep an answer for good; the first one under a key stays. Model and request are there for people."""
        cost = (answer.prompt_tokens, answer.completion_tokens, answer.truncated)
        row = (key, self.run, answer.text, *cost, model, request.prompt, request.seed)
        self._data.execute("INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

    def spent(self) -> Spent:
        """What this run has asked so far, over all its restarts."""
        query = "SELECT count(*), sum(prompt_tokens), sum(completion_tokens) FROM answers WHERE run = ?"
        row = self._data.row(query, (self.run,))
        assert row is not None
        return Spent(*(value or 0 for value in row))

    def close(self) -> None:
        """Close the file."""
        self._data.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
