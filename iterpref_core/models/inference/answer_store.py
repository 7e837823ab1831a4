"""Keep answers of models, the spending of runs, and what servers need, in one SQLite file.

An answer is on disk before it is used, so a paid answer is never requested again.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from operator import add
from pathlib import Path
from typing import Any, Literal, Self

from iterpref_core.records import InferenceParams, chat_messages, labeled_text, whole_characters
from iterpref_core.storage.sqlite import Database

from .backend import Completion, Request, Sampling
from .finish_reasons import CUT, FINISHED

_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS kept_answers (
    key BLOB PRIMARY KEY, run TEXT NOT NULL, text TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, ended TEXT NOT NULL,
    model TEXT NOT NULL, prompt TEXT NOT NULL, seed INTEGER NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS kept_answers_by_run ON kept_answers (run, prompt_tokens, completion_tokens)",
    "CREATE TABLE IF NOT EXISTS servers (model TEXT, kind TEXT, fact TEXT, PRIMARY KEY (model, kind, fact))",
    # Answers whose tokens the server did not count.
    "CREATE TABLE IF NOT EXISTS estimated_answers (key BLOB PRIMARY KEY)",
    # The last answer, by SQLite's own number of its row, that was there when a run came to its end.
    "CREATE TABLE IF NOT EXISTS completed_runs (run TEXT PRIMARY KEY, last_answer INTEGER NOT NULL)",
)


ServerFact = Literal["adaptation", "address"]
"""`adaptation`: a change that the model's server needs; `address`: where the model was asked."""

_IS_ANSWER = f"ended IN ('{FINISHED}', '{CUT}')"
# A key has a random end for each reply, since several may be paid for. (Older files have one without.)
_OF_KEY = "key BETWEEN ? AND ?"
_KEY_END = 8
_SPENT = (
    f"SELECT count(*) FILTER (WHERE {_IS_ANSWER} OR prompt_tokens + completion_tokens > 0), sum(prompt_tokens), "
    "sum(completion_tokens), count(estimated_answers.key) FROM kept_answers LEFT JOIN estimated_answers USING (key)"
)


@dataclass(frozen=True)
class Spent:
    """What is billed: calls with an answer, or with tokens all the same; tokens; and answers with estimated tokens."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    estimated: int = 0

    @classmethod
    def on(cls, answer: Completion) -> "Spent":
        """Return what an answer costs. A missing one without tokens is not billed."""
        prompt, completion = answer.prompt_tokens, answer.completion_tokens
        return cls(int(not answer.missing or prompt + completion > 0), prompt, completion, int(answer.estimated))

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(*map(add, astuple(self), astuple(other)))

    @property
    def tokens(self) -> int:
        """Return the tokens of prompts and completions together."""
        return self.prompt_tokens + self.completion_tokens

    def dollars(self, prices: InferenceParams) -> float:
        """Return the price of the tokens, in dollars; the parameters have prices per million."""
        return (self.prompt_tokens * prices.price_prompt + self.completion_tokens * prices.price_completion) / 1e6


def answer_key(model: str, request: Request, sampling: Sampling) -> bytes:
    """Return the key of an answer: model, prompt, sampling parameters and seed.

    The seed distinguishes samples of one prompt.
    """
    decisive = [
        model,
        request.prompt if isinstance(request.prompt, str) else chat_messages(request.prompt),
        sampling.temperature,
        sampling.max_new_tokens,
        request.seed,
        request.system,
        request.raw,
        sampling.stops,
    ]
    return hashlib.sha256(json.dumps(decisive).encode()).digest()


def _range(key: bytes) -> tuple[bytes, bytes]:
    """Return the first and the last key of a row for the replies to one request."""
    return key, key + b"\xff" * _KEY_END


class AnswerStore:
    """A `Database` of answers with their ends, shared by all runs; a context manager. Answers are not held in memory.

    A reply that cannot be used is kept, for its cost and for people; the next run asks for a missing answer again.

    A `with` block that ends without an error and without a missing answer completes the run: the next run of that name
    begins without spending. After an error, Ctrl-C or `kill -9` it is not complete, and a restart goes on counting.

    Args:
        path: the file; created where it is missing.
        run: the name of the run that pays for the next questions.

    Raises:
        InputError: the file is not an answer store, or cannot be written.
    """

    def __init__(self, path: Path, run: str) -> None:
        self._run = run
        self._missing: set[bytes] = set()
        self._data = Database(path, _SCHEMA)

    def get(self, key: bytes) -> Completion | None:
        """Return the answer of a key, or None if it is not kept or is missing."""
        query = (
            "SELECT text, prompt_tokens, completion_tokens, ended, key IN (SELECT key FROM estimated_answers) "
            f"FROM kept_answers WHERE {_OF_KEY} AND {_IS_ANSWER} ORDER BY rowid LIMIT 1"
        )
        for text, prompt_tokens, completion_tokens, ended, estimated in self._data.execute(query, _range(key)):
            return Completion(text, prompt_tokens, completion_tokens, ended, bool(estimated))
        return None

    def put(self, key: bytes, answer: Completion, model: str, request: Request) -> None:
        """Keep a reply for good; the first answer under a key is used. Model and request are there for people."""
        (self._missing.add if answer.missing else self._missing.discard)(key)
        own_key = key + os.urandom(_KEY_END)
        if answer.estimated:
            self._data.execute("INSERT INTO estimated_answers VALUES (?)", (own_key,))
        row = (
            own_key,
            self._run,
            answer.text,
            answer.prompt_tokens,
            answer.completion_tokens,
            answer.end,
            model,
            whole_characters(labeled_text(request.prompt)),
            request.seed,
        )
        self._data.execute("INSERT INTO kept_answers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

    def invalidate(self, keys: Iterable[bytes]) -> None:
        """Forget the answers under these keys, so that they are asked for again; their cost still counts as spent."""
        # The row stays, under a random key, because the sums of a run's tokens are made from the rows.
        for key in keys:
            self._data.execute(f"UPDATE kept_answers SET key = randomblob(40) WHERE {_OF_KEY}", _range(key))

    def known(self, model: str, kind: ServerFact) -> frozenset[str]:
        """Return the facts of one kind that are kept of a model's servers."""
        rows = self._data.execute("SELECT fact FROM servers WHERE model = ? AND kind = ?", (model, kind))
        return frozenset(fact for (fact,) in rows)

    def remember(self, model: str, kind: ServerFact, facts: Iterable[str]) -> None:
        """Keep facts of a model's server for all runs."""
        for fact in facts:
            self._data.execute("INSERT OR IGNORE INTO servers VALUES (?, ?, ?)", (model, kind, fact))

    def has_answers(self, model: str) -> bool:
        """Return True if an answer of a model is kept that is not missing."""
        query = f"SELECT 1 FROM kept_answers WHERE model = ? AND {_IS_ANSWER} LIMIT 1"
        return bool(self._data.execute(query, (model,)))

    def spent(self) -> Spent:
        """Return the spending of this run so far, over all its restarts."""
        # Rows are numbered in order: rows after the end of a completed run belong to the present run.
        end = "SELECT last_answer FROM completed_runs WHERE run = ?1"
        return self._sum(f"run = ?1 AND kept_answers.rowid > coalesce(({end}), 0)", (self._run,))

    def bill(self, key: bytes) -> Spent:
        """Return what the answer of a key has cost all runs, with the replies to its request that cannot be used."""
        return self._sum(_OF_KEY, _range(key))

    def _sum(self, which: str, values: Sequence[Any]) -> Spent:
        # The sums over no rows are NULL.
        return Spent(*(number or 0 for number in self._data.execute(f"{_SPENT} WHERE {which}", values)[0]))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None and not self._missing:
            statement = "INSERT OR REPLACE INTO completed_runs SELECT ?, coalesce(max(rowid), 0) FROM kept_answers"
            self._data.execute(statement, (self._run,))
        self._data.close()
