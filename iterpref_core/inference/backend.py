"""Backend protocol, which every language-model backend follows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True)
class Request:
    """One prompt.

    `seed` alone decides its random numbers, whatever else is in the batch: it tells samples apart. `private`: the
    prompt is made of somebody's own code, and is looked at before it goes to another machine.
    """

    prompt: str
    seed: int
    private: bool = False


@dataclass(frozen=True)
class Sampling:
    """How to sample: temperature 0 is greedy; lengths in tokens."""

    temperature: float
    max_new_tokens: int


@dataclass(frozen=True)
class Completion:
    """An answer, with what it cost in tokens. `truncated`: it ended at `max_new_tokens`."""

    text: str
    prompt_tokens: int
    completion_tokens: int
    truncated: bool


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
