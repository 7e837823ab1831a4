"""Answer store: answers of models in one SQLite file, the spending of runs, and what is known of servers.

An answer is on disk before anybody uses it: nothing that was received, and perhaps paid for, is asked for again.
"""

import hashlib
import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from iterpref_core.config import InferenceParams
from iterpref_core.inference.backend import Completion, Request, Sampling
from iterpref_core.prompt_messages import labeled_text, plain_prompt, whole_characters
from iterpref_core.storage.sqlite import Database

_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS answers (
    key BLOB PRIMARY KEY, run TEXT NOT NULL, text TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, truncated INTEGER NOT NULL,
    model TEXT NOT NULL, prompt TEXT NOT NULL, seed INTEGER NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS answers_by_run ON answers (run, prompt_tokens, completion_tokens)",
    "CREATE TABLE IF NOT EXISTS refused_parameters (model TEXT, name TEXT, PRIMARY KEY (model, name))",
    # The servers that were asked for a model's answers: `endpoint.describe_server`, as JSON.
    "CREATE TABLE IF NOT EXISTS servers (model TEXT, server TEXT, PRIMARY KEY (model, server))",
    # The last answer, by SQLite's own number of its row, that was there when a run came to its end.
    "CREATE TABLE IF NOT EXISTS completed_runs (run TEXT PRIMARY KEY, last_answer INTEGER NOT NULL)",
)


_ENDS_KNOWN = 1
"""SQLite's number of the file's version: each answer in the file is known to have come to its end, or to be cut."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Spent:
    """The spending of a run so far: answers, and their tokens."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    @property
    def tokens(self) -> int:
        """Return the tokens of prompts and completions together."""
        return self.prompt_tokens + self.completion_tokens

    def dollars(self, prices: InferenceParams) -> float:
        """Return the price of the tokens, in dollars."""
        return cost_usd(
            self.prompt_tokens,
            self.completion_tokens,
            prices.price_prompt,
            prices.price_completion,
        )


def cost_usd(
    prompt_tokens: float,
    completion_tokens: float,
    price_prompt: float,
    price_completion: float,
) -> float:
    """Return the price of tokens in dollars, from prices in dollars per million."""
    return (prompt_tokens * price_prompt + completion_tokens * price_completion) / 1e6


def answer_key(model: str, request: Request, sampling: Sampling) -> bytes:
    """Return the key under which an answer is kept: model, prompt, sampling parameters and seed.

    The seed tells samples of one prompt apart. System message, raw prompts and stops came later: a request
    without them has the same key as in older stores.
    """
    decisive: list[object] = [
        model,
        plain_prompt(request.prompt),
        sampling.temperature,
        sampling.max_new_tokens,
        request.seed,
    ]
    form = (request.system, request.raw, sampling.stops)
    if any(form):
        decisive += form
    return hashlib.sha256(json.dumps(decisive).encode()).digest()


class AnswerStore:
    """A `Database` of answers, shared by all runs; a context manager. Nothing is held in memory.

    A `with` block that ends without an error completes the run: the next one of that name has spent nothing. After an
    error, Ctrl-C or `kill -9` it is not complete, and a restart goes on counting.

    Args:
        path: the file; created where it is missing.
        run: the name of the run that pays for the next questions.

    Raises:
        InputError: the file is no answer store, or cannot be written.
    """

    def __init__(self, path: Path, run: str) -> None:
        self._run = run
        self._data = Database(path, _SCHEMA)
        self._forget_unknown_ends(path)

    def _forget_unknown_ends(self, path: Path) -> None:
        """Invalidate, once, what an older version kept of a served model without the reason why the answer ended.

        That version kept what a server had broken off as if it were whole. A limit's cut is recorded. A local model's
        answers are whole; the identity of such a model begins with a digest.
        """
        if self._data.row("PRAGMA user_version") == (_ENDS_KNOWN,):
            return
        # The version is asked again in the statement itself: another process may have begun this file meanwhile.
        unknown = (
            "truncated = 0 AND length(key) = 32 AND substr(model, 1, 64) NOT GLOB ? "
            "AND (SELECT user_version FROM pragma_user_version) < ?"
        )
        digest = "[0-9a-f]" * 64
        count = self._data.execute(f"UPDATE answers SET key = randomblob(33) WHERE {unknown}", (digest, _ENDS_KNOWN))
        if count:
            logger.warning(
                "%s: %s kept answers are of a version that did not record why an answer ended, and are asked for again",
                path,
                f"{count:,}",
            )
        self._data.execute(f"PRAGMA user_version = {_ENDS_KNOWN}")

    def get(self, key: bytes) -> Completion | None:
        """Return the answer kept under a key; None if there is none."""
        row = self._data.row(
            "SELECT text, prompt_tokens, completion_tokens, truncated FROM answers WHERE key = ?",
            (key,),
        )
        if row is None:
            return None
        text, prompt_tokens, completion_tokens, truncated = row
        return Completion(text, prompt_tokens, completion_tokens, bool(truncated))

    def put(self, key: bytes, answer: Completion, model: str, request: Request) -> None:
        """Keep an answer for good; the first one under a key stays. Model and request are there for people."""
        row = (
            key,
            self._run,
            answer.text,
            answer.prompt_tokens,
            answer.completion_tokens,
            answer.truncated,
            model,
            whole_characters(labeled_text(request.prompt)),
            request.seed,
        )
        self._data.execute("INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

    def invalidate(self, keys: Iterable[bytes]) -> None:
        """Forget the answers under these keys, so that they are asked for again; their cost still counts as spent."""
        # The row stays, under a random key, because the sums of a run's tokens are made from the rows.
        for key in keys:
            self._data.execute("UPDATE answers SET key = randomblob(32) WHERE key = ?", (key,))

    def refused_parameters(self, model: str) -> frozenset[str]:
        """Return the names of the parameters that a model's server was found to refuse."""
        query = "SELECT coalesce(json_group_array(name), '[]') FROM refused_parameters WHERE model = ?"
        row = self._data.row(query, (model,))
        assert row is not None
        return frozenset(json.loads(row[0]))

    def remember_refused(self, model: str, names: Iterable[str]) -> None:
        """Keep for all runs that a model's server refuses parameters."""
        for name in names:
            self._data.execute("INSERT OR IGNORE INTO refused_parameters VALUES (?, ?)", (model, name))

    def servers(self, model: str) -> list[str]:
        """Return the servers that were asked for a model's answers, as they were remembered."""
        query = "SELECT coalesce(json_group_array(server), '[]') FROM servers WHERE model = ?"
        row = self._data.row(query, (model,))
        assert row is not None
        found: list[str] = json.loads(row[0])
        return found

    def remember_server(self, model: str, server: str) -> None:
        """Keep that a server is asked for a model's answers."""
        self._data.execute("INSERT OR IGNORE INTO servers VALUES (?, ?)", (model, server))

    def has_answers(self, model: str) -> bool:
        """Return True if an answer of a model is kept."""
        return self._data.row("SELECT 1 FROM answers WHERE model = ? LIMIT 1", (model,)) is not None

    def spent(self) -> Spent:
        """Return the spending of this run so far, over all its restarts."""
        # Rows are numbered in their order: those after the last one of a completed run belong to the present run.
        query = (
            "SELECT count(*), sum(prompt_tokens), sum(completion_tokens) FROM answers WHERE run = ?1 "
            "AND rowid > coalesce((SELECT last_answer FROM completed_runs WHERE run = ?1), 0)"
        )
        row = self._data.row(query, (self._run,))
        assert row is not None
        calls, prompt_tokens, completion_tokens = row
        # The sums over no rows are NULL.
        return Spent(calls, prompt_tokens or 0, completion_tokens or 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            statement = "INSERT OR REPLACE INTO completed_runs SELECT ?, coalesce(max(rowid), 0) FROM answers"
            self._data.execute(statement, (self._run,))
        self._data.close()
