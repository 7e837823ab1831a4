"""Run a coroutine to its end from code that is not asynchronous."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, TypeVar

T = TypeVar("T")


def run_to_end(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine and return its result, also where an event loop runs already, as in a notebook.

    There it runs in a thread of its own, and the caller waits. An interrupt of the caller cancels the coroutine.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    begun: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[T]]] = []

    async def begin() -> T:
        task = asyncio.ensure_future(coroutine)
        begun.append((asyncio.get_running_loop(), task))
        return await task

    with ThreadPoolExecutor(1, "event-loop") as thread:
        result = thread.submit(copy_context().run, asyncio.run, begin())
        try:
            return result.result()
        except BaseException:
            if begun and not result.done():
                loop, task = begun[0]
                loop.call_soon_threadsafe(task.cancel)
            raise
