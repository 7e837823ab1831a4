"""Run a coroutine to its end from code that is not asynchronous."""

import asyncio
from collections.abc import Coroutine
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
    from anyio.from_thread import start_blocking_portal

    async def run() -> T:
        return await coroutine

    with start_blocking_portal() as portal:
        return portal.call(run)
