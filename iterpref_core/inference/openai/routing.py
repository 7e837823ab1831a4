"""Least-loaded routing: several servers of one model; each call goes to the one with the fewest calls under way."""

import asyncio
import time
from collections.abc import Sequence

from iterpref_core.inference.backend import CallError, Completion, Endpoint, Request, Sampling
from iterpref_core.inference.concurrent_prompts import ConcurrentEndpoint
from iterpref_core.inference.openai.rate_limits import RateLimiter

FIRST_REST_S, LONGEST_REST_S = 1.0, 60.0
"""For how long a server that fails is left alone; doubled each time that it is tried in vain."""
FAULTS_IN_A_ROW = 3
"""So many, and a server fails. Where no connection comes about one is enough."""


class EndpointServer:
    """One of the servers, and how it fares.

    Args:
        base_url: names it in messages.
        endpoint: asks it.
        gate: what it says about its pace.
    """

    def __init__(self, base_url: str, endpoint: Endpoint, gate: RateLimiter) -> None:
        self.base_url, self.endpoint, self.gate = base_url, endpoint, gate
        self.under_way = self.asked = 0
        self.failures = self._faults = 0
        self._rests_until, self._on_trial = 0.0, False

    @property
    def is_left_alone(self) -> bool:
        """Whether it failed a while ago, or one call is just finding out whether it is back."""
        return self._rests or self._on_trial

    @property
    def _rests(self) -> bool:
        return time.monotonic() < self._rests_until

    async def answer(self, request: Request, sampling: Sampling) -> Completion:
        """Ask it once.

        Raises:
            CallError: another call, of this server or of another, may succeed.
        """
        trial = bool(self.failures) and not self.is_left_alone
        self._on_trial |= trial
        self.under_way += 1
        self.asked += 1
        try:
            answer = await self.endpoint.answer(request, sampling)
        except CallError as fault:
            self._faults += 1
            if trial or fault.kind == "connection" or self._faults >= FAULTS_IN_A_ROW:
                self._rest()
            raise
        finally:
            self.under_way -= 1
            self._on_trial &= not trial
        self.failures, self._faults, self._rests_until = 0, 0, 0.0
        return answer

    def _rest(self) -> None:
        """Calls that were under way when it failed fail too; they are no reason to rest for longer."""
        if not self._rests:
            self._rests_until = time.monotonic() + min(FIRST_REST_S * 2.0**self.failures, LONGEST_REST_S)
            self.failures += 1


class RoutedEndpoint(ConcurrentEndpoint):
    """An endpoint of one or several servers; `answer` asks one of them once.

    Args:
        servers: at least one.
        concurrency: prompts that `generate` asks at once, of all servers together.
    """

    def __init__(self, servers: Sequence[EndpointServer], concurrency: int) -> None:
        self.servers, self.concurrency = tuple(servers), concurrency

    @property
    def has_another(self) -> bool:
        """Whether a call that has just failed may be asked of some server at once."""
        return len(self.servers) > 1 and any(not one.is_left_alone and not one.gate.rest_s for one in self.servers)

    async def answer(self, request: Request, sampling: Sampling) -> Completion:
        """Ask the server with the fewest calls under way, as soon as one lets calls begin.

        Raises:
            CallError: another call may succeed; it names the server where there are several.
        """
        while not (ready := [one for one in self.servers if not one.gate.rest_s]):
            await asyncio.sleep(min(one.gate.rest_s for one in self.servers))
        server = min(ready, key=_preference)
        try:
            return await server.answer(request, sampling)
        except CallError as fault:
            if len(self.servers) == 1:
                raise
            named = CallError(fault.kind, f"{server.base_url}: {fault.detail}")
        raise named


def _preference(server: EndpointServer) -> tuple[bool, int, int, int]:
    """The smaller the better. Where all are left alone, those come first that failed least; turns break ties."""
    return server.is_left_alone, server.failures * server.is_left_alone, server.under_way, server.asked
