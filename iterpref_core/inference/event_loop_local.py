"""Event-loop-local values, such as connections and semaphores, for objects that outlive their loops."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class PerLoop(Generic[T]):
    """A value for each event loop; it is closed when `asyncio.run` ends its loop.

    Args:
        make: makes the value of a loop, inside of it.
        close: closes it.
    """

    def __init__(self, make: Callable[[], T], close: Callable[[T], Awaitable[None]]) -> None:
        self._make, self._close = make, close
        self._kept: dict[asyncio.AbstractEventLoop, tuple[T, AsyncGenerator[None, None]]] = {}

    async def get(self) -> T:
        """The value of the running loop."""
        loop = asyncio.get_running_loop()
        if loop not in self._kept:
            value = self._make()
            keeper = self._keep(loop, value)
            self._kept[loop] = value, keeper
            await anext(keeper)
        return self._kept[loop][0]

    async def _keep(self, loop: asyncio.AbstractEventLoop, value: T) -> AsyncGenerator[None, None]:
        # A loop that ends closes its asynchronous generators while it can still run what closing takes: the one
        # moment at which connections can be closed without every caller having to think of it.
        try:
            yield
        finally:
            del self._kept[loop]
            await self._close(value)
