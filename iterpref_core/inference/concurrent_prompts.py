"""Concurrent prompts: many at once of an endpoint that answers them one by one."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

from iterpref_core.errors import RefusedError
from iterpref_core.inference.backend import REFUSED, Completion, Endpoint, Request, Sampling


class ConcurrentEndpoint(ABC):
    """`generate` for endpoints: all prompts, `concurrency` at a time."""

    concurrency: int

    @abstractmethod
    async def answer(self, request: Request, sampling: Sampling) -> Completion:
        """Answer one request."""

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> list[Completion]:
        """Answer every request, in order; a prompt that is refused gets an empty answer."""
        return ask_together(self, requests, sampling, self.concurrency)


def ask_together(
    endpoint: Endpoint, requests: Sequence[Request], sampling: Sampling, concurrency: int
) -> list[Completion]:
    """Answers to all requests, in order; a prompt that is refused gets an empty one. Equal requests are asked once.

    Where one fails, no further one is begun, those in flight are waited for, since they may be paid for and stored,
    and then the first failure is raised.
    """
    unique = dict.fromkeys(requests)
    found: dict[Request, Completion] = {}
    failures: list[Exception] = []
    waiting = iter(unique)

    async def work(waiting: Iterator[Request]) -> None:
        for request in waiting:
            try:
                found[request] = await endpoint.answer(request, sampling)
            except RefusedError:
                found[request] = REFUSED
            except Exception as failure:  # noqa: BLE001 - raised below, when the others are done
                failures.append(failure)
            if failures:
                return

    async def work_all() -> None:
        await asyncio.gather(*(work(waiting) for _ in range(min(concurrency, len(unique)))))

    asyncio.run(work_all())
    if failures:
        raise failures[0]
    return [found[request] for request in requests]
