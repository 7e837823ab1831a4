"""Backend protocol that every language-model backend follows: requests with seeds of their own, and how calls fail."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

FaultKind = Literal["rate_limited", "server_error", "timeout", "connection", "cut", "malformed"]


class CallError(Exception):
    """One call failed; the library's own, which no user sees.

    Args:
        kind: `rate_limited` (429), `server_error` (5xx), `timeout`, `connection` (none came about), `cut` (it ended
            before the answer did), `malformed` (an answer that is no JSON, or without choices).
        detail: for people.
    """

    def __init__(self, kind: FaultKind, detail: str) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind, self.detail = kind, detail

    @property
    def answered(self) -> bool:
        """Whether the server may have made an answer all the same, and billed it."""
        return self.kind in {"timeout", "cut", "malformed"}


def derive_seed(*parts: str | int) -> int:
    """A seed in [0, 2^31) that is a function of its parts alone, in every process and on every machine.

    >>> derive_seed(11, "task-1", 0)
    1554787127
    """
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


@dataclass(frozen=True)
class Request:
    """One prompt.

    `seed` alone decides its random numbers, whatever else is in the batch: it tells samples apart. `private`: the
    prompt is made of somebody's own code, and is looked at before it goes to another machine. `system`: a message for
    the system before it, of a model that chats. `verbatim`: the prompt is all that the model reads, without a template.
    """

    prompt: str
    seed: int
    private: bool = False
    system: str = ""
    verbatim: bool = False


@dataclass(frozen=True)
class Sampling:
    """How to sample: temperature 0 is greedy; lengths in tokens. An answer ends before the first of `stops` in it."""

    temperature: float
    max_new_tokens: int
    stops: tuple[str, ...] = ()


@dataclass(frozen=True)
class Completion:
    """An answer, with what it cost in tokens. `truncated`: it ended at `max_new_tokens`."""

    text: str
    prompt_tokens: int
    completion_tokens: int
    truncated: bool


def cut(text: str, stops: Sequence[str]) -> str:
    r"""The text up to the first end string in it.

    >>> cut("x = 1\nprint(x)\ndef f", ["\ndef ", "\nprint("])
    'x = 1'
    """
    return text[: min((text.index(stop) for stop in stops if stop in text), default=len(text))]


REFUSED = Completion("", 0, 0, truncated=False)
"""Stands for the answer to a prompt that is refused or withheld; it is never kept."""


class Backend(Protocol):
    """Anything that answers prompts, many at a time."""

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> list[Completion]:
        """Answer every request, in order."""
        ...


@runtime_checkable
class Endpoint(Backend, Protocol):
    """A backend that answers each prompt as soon as it can, beside any number of others, such as a server."""

    async def answer(self, request: Request, sampling: Sampling) -> Completion:
        """Answer one request."""
        ...
