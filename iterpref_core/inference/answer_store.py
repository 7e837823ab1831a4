"""Answer store: on disk before it is used; whatever was received, and perhaps paid for, is never asked for again."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from iterpref_core.inference.backend import REFUSED, Backend, Completion, Endpoint, Request, Sampling
from iterpref_core.inference.concurrent_prompts import ConcurrentEndpoint
from iterpref_core.storage.sqlite import Database

_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS answers (
    key BLOB PRIMARY KEY, run TEXT NOT NULL, text TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, truncated INTEGER NOT NULL,
    model TEXT NOT NULL, prompt TEXT NOT NULL, seed INTEGER NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS answers_by_run ON answers (run, prompt_tokens, completion_tokens)",
    """CREATE TABLE IF NOT EXISTS charges (
    id INTEGER PRIMARY KEY, run TEXT NOT NULL,
    calls INTEGER NOT NULL, prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS charges_by_run ON charges (run)",
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

    def __sub__(self, other: "Spent") -> "Spent":
        return Spent(
            self.calls - other.calls,
            self.prompt_tokens - other.prompt_tokens,
            self.completion_tokens - other.completion_tokens,
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
        """Keep an answer for good; the first one under a key stays. Model and request are kept for recordings."""
        cost = (answer.prompt_tokens, answer.completion_tokens, answer.truncated)
        row = (key, self.run, answer.text, *cost, model, request.prompt, request.seed)
        self._data.execute("INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

    def spent(self) -> Spent:
        """What this run has asked so far, over all its restarts."""
        return self._sum("SELECT count(*), sum(prompt_tokens), sum(completion_tokens) FROM answers WHERE run = ?")

    def charge(self, most: Spent) -> int:
        """Note, before a call is made, what it may cost this run; returns the number of the note."""
        row = (self.run, most.calls, most.prompt_tokens, most.completion_tokens)
        number = self._data.execute(
            "INSERT INTO charges (run, calls, prompt_tokens, completion_tokens) VALUES (?, ?, ?, ?)", row
        ).lastrowid
        assert number is not None
        return number

    def settle(self, charge: int, spent: Spent) -> None:
        """Correct a note to what the call did cost; it goes where that is nothing."""
        if spent == Spent():
            self._data.execute("DELETE FROM charges WHERE id = ?", (charge,))
            return
        row = (spent.calls, spent.prompt_tokens, spent.completion_tokens, charge)
        self._data.execute("UPDATE charges SET calls = ?, prompt_tokens = ?, completion_tokens = ? WHERE id = ?", row)

    def charged(self) -> Spent:
        """What this run's calls cost, over all its restarts: those that a kill cut off at what they may have cost."""
        return self._sum("SELECT sum(calls), sum(prompt_tokens), sum(completion_tokens) FROM charges WHERE run = ?")

    def recorded(self, model: str | None = None) -> Iterator[tuple[str, int, str]]:
        """Prompt, seed and text of every answer, or of one model's, in the order of prompts and seeds."""
        condition, values = ("WHERE model = ?", (model,)) if model is not None else ("", ())
        query = f"SELECT prompt, seed, text FROM answers {condition} ORDER BY prompt, seed, key"
        yield from self._data.execute(query, values)

    def models(self) -> list[str]:
        """The models whose answers are kept, as they stand in the keys."""
        return [model for (model,) in self._data.execute("SELECT DISTINCT model FROM answers ORDER BY model")]

    def close(self) -> None:
        """Close the file."""
        self._data.close()

    def _sum(self, query: str) -> Spent:
        row = self._data.row(query, (self.run,))
        assert row is not None
        return Spent(*(value or 0 for value in row))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class StoredBackend:
    """A backend that is asked only for what the store does not hold.

    Args:
        inner: answers the rest.
        model: what the answers depend on besides prompt and sampling.
        store: keeps them.
    """

    def __init__(self, inner: Backend, model: str, store: AnswerStore) -> None:
        self._inner, self._model, self._store = inner, model, store

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> list[Completion]:
        """Answer every request, in order."""
        keys = [answer_key(self._model, request, sampling) for request in requests]
        known = {key: answer for key in keys if (answer := self._store.get(key)) is not None}
        wanted = {key: request for key, request in zip(keys, requests, strict=True) if key not in known}
        if wanted:
            answers = self._inner.generate(list(wanted.values()), sampling)
            for (key, request), answer in zip(wanted.items(), answers, strict=True):
                if answer != REFUSED:
                    self._store.put(key, answer, self._model, request)
                known[key] = answer
        return [known[key] for key in keys]


class StoredEndpoint(ConcurrentEndpoint):
    """An endpoint that is asked only for what the store does not hold; each answer is stored as soon as it is there.

    Args:
        inner: answers the rest.
        model: what the answers depend on besides prompt and sampling.
        store: keeps them.
        concurrency: prompts that `generate` has asked for at once.
    """

    def __init__(self, inner: Endpoint, model: str, store: AnswerStore, concurrency: int = 64) -> None:
        self._inner, self._model, self._store, self.concurrency = inner, model, store, concurrency

    async def answer(self, request: Request, sampling: Sampling) -> Completion:
        """Answer one request."""
        key = answer_key(self._model, request, sampling)
        known = self._store.get(key)
        if known is None:
            known = await self._inner.answer(request, sampling)
            self._store.put(key, known, self._model, request)
        return known
