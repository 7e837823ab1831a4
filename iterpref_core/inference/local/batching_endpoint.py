"""Batching endpoint: a model in this process, which answers in batches, asked one prompt at a time."""

import asyncio
from collections.abc import Sequence

from iterpref_core.inference.backend import Backend, Completion, Request, Sampling

_Asked = tuple[Request, Sampling, "asyncio.Future[Completion]"]


class Batched:
    """Makes a batch of whatever is waiting, up to a size, as soon as the batch before is done.

    Batches are generated in a thread, so that others go on beside it. What is in a batch depends on who came when: a
    model whose rounding depends on the batch's shape may answer differently in another run.

    Args:
        inner: answers; used by one thread at a time.
        size: requests in a batch, at most.
    """

    def __init__(self, inner: Backend, size: int) -> None:
        self._inner, self._size = inner, size
        self._waiting: list[_Asked] = []
        self._work: asyncio.Task[None] | None = None

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> list[Completion]:
        """Answer every request, in order."""
        return self._inner.generate(requests, sampling)

    async def answer(self, request: Request, sampling: Sampling) -> Completion:
        """Answer one request, in a batch with others that wait."""
        answer: asyncio.Future[Completion] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, sampling, answer))
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._answer_all())
        return await answer

    async def _answer_all(self) -> None:
        while batch := self._next_batch():
            requests, sampling = [request for request, _, _ in batch], batch[0][1]
            try:
                answers = await asyncio.to_thread(self._inner.generate, requests, sampling)
            except Exception as error:  # noqa: BLE001 - passed on to all who wait for this batch
                for *_, future in batch:
                    if not future.done():
                        future.set_exception(error)
                continue
            for (*_, future), answer in zip(batch, answers, strict=True):
                if not future.done():
                    future.set_result(answer)

    def _next_batch(self) -> list[_Asked]:
        """The first that wait, as many as want the same sampling as the very first one."""
        waiting = [asked for asked in self._waiting if not asked[2].done()]
        batch = [asked for asked in waiting if asked[1] == waiting[0][1]][: self._size]
        taken = {id(future) for *_, future in batch}
        self._waiting = [asked for asked in waiting if id(asked[2]) not in taken]
        return batch
