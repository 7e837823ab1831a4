"""OpenAI-API backend: calls at once, retried with growing pauses, at the pace of its servers."""

import asyncio
from collections import Counter
from collections.abc import Sequence

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, retry_if_result, wait_exponential_jitter
from tenacity.wait import wait_base

from iterpref_core.config import Api
from iterpref_core.errors import EndpointError, RefusedError
from iterpref_core.inference.backend import CallError, Completion, Request, Sampling
from iterpref_core.inference.budget import Budget, MeteredEndpoint
from iterpref_core.inference.concurrent_prompts import ConcurrentEndpoint
from iterpref_core.inference.event_loop_local import PerLoop
from iterpref_core.inference.openai.openai_calls import OpenAICalls
from iterpref_core.inference.openai.rate_limits import RateLimiter
from iterpref_core.inference.openai.routing import EndpointServer, RoutedEndpoint

BACK_OFF = wait_exponential_jitter(initial=1, max=60, jitter=1)
FIRST_CONTACTS = 3
"""Attempts to reach a server that has not answered anything yet: its address may be wrong."""


class OpenAIBackend(ConcurrentEndpoint):
    """An endpoint that is asked until it answers.

    Its faults are counted by kind in `faults`: those of `CallError`, `empty` (an answer without text; that of the last
    attempt stands), and `refused` (prompts that the server will not answer). `answered` counts the answered calls.

    Args:
        model: the name it is served under.
        base_url: where, such as `https://api.openai.com/v1`; or several, of servers that answer alike.
        api: `chat`, or `completions` for models without a chat template.
        concurrency: calls in flight at most, at all servers; one that pauses before its next attempt is not in flight.
        timeout_s: real seconds of one attempt.
        attempts: of one call, times the servers, before the run ends. Being told to wait while others are answered is
            none.
        budget: what may be spent. Every attempt counts that the server may have billed.
        faults: counts them; a new one by default.
        wait: the pause after a fault; there is none before a server that has not been asked in this round.

    Raises:
        ConfigError: the URL or the key cannot be used.
    """

    def __init__(
        self,
        model: str,
        base_url: str | Sequence[str],
        *,
        api: Api,
        concurrency: int,
        timeout_s: float,
        attempts: int,
        budget: Budget | None = None,
        faults: Counter[str] | None = None,
        wait: wait_base = BACK_OFF,
    ) -> None:
        self.concurrency = concurrency
        self.faults = Counter[str]() if faults is None else faults
        urls = (base_url,) if isinstance(base_url, str) else tuple(base_url)

        def server(url: str) -> EndpointServer:
            gate = RateLimiter()
            calls = OpenAICalls(model, url, api=api, timeout_s=timeout_s, concurrency=concurrency, gate=gate)
            return EndpointServer(url, calls if budget is None else MeteredEndpoint(calls, budget, concurrency), gate)

        self._endpoint = RoutedEndpoint([server(url) for url in urls], concurrency)
        self._name, self._attempts, self._wait = f"{', '.join(urls)}: model {model!r}", attempts, wait
        self._slots = PerLoop(lambda: asyncio.Semaphore(concurrency), _nothing_to_close)
        self.answered = 0

    async def answer(self, request: Request, sampling: Sampling) -> Completion:
        """Answer one request.

        Raises:
            RefusedError: the server will not answer this prompt.
            InputError: it will answer none, because of the key, the model's name or a parameter.
            EndpointError: it could not be had with any of the attempts.
            BudgetError: a cap is reached.
        """
        patience = _Patience(self, self._attempts, len(self._endpoint.servers))
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(CallError) | retry_if_result(lambda answer: _is_empty(answer, sampling)),
            wait=self._pause,
            stop=patience.is_at_end,
            retry_error_callback=self._give_up,
        )
        answer: Completion = await retrying(self._attempt, request, sampling)
        return answer

    async def _attempt(self, request: Request, sampling: Sampling) -> Completion:
        async with await self._slots.get():
            try:
                answer = await self._endpoint.answer(request, sampling)
            except CallError as fault:
                self.faults[fault.kind] += 1
                raise
            except RefusedError:
                self.faults["refused"] += 1
                raise
        self.answered += 1
        if _is_empty(answer, sampling):
            self.faults["empty"] += 1
        return answer

    def _pause(self, state: RetryCallState) -> float:
        """A call goes round all servers before it pauses, so that none is asked again at once."""
        goes_on = state.attempt_number % len(self._endpoint.servers) and self._endpoint.has_another
        return 0.0 if goes_on else self._wait(state)

    def _give_up(self, state: RetryCallState) -> Completion:
        assert state.outcome is not None
        fault = state.outcome.exception()
        if fault is None:
            answer: Completion = state.outcome.result()
            return answer
        raise EndpointError(
            f"{self._name}: {state.attempt_number} attempts of one call failed, the last one with {fault}; everything "
            "received is kept: check the server, then run the same command again to continue"
        ) from None


class _Patience:
    """Counts the attempts of one call against its limit, which every server adds to."""

    def __init__(self, backend: OpenAIBackend, attempts: int, servers: int) -> None:
        self._backend, self._attempts, self._servers = backend, attempts, servers
        self._failed, self._answered = 0, backend.answered

    def is_at_end(self, state: RetryCallState) -> bool:
        """Whether the call has failed too often. Waiting in turn while others are answered is no failure."""
        fault = state.outcome.exception() if state.outcome else None
        kind = fault.kind if isinstance(fault, CallError) else "empty"
        in_turn = kind == "rate_limited" and self._backend.answered > self._answered
        self._failed, self._answered = self._failed + (not in_turn), self._backend.answered
        unreachable = kind == "connection" and not self._backend.answered
        most = min(self._attempts, FIRST_CONTACTS) if unreachable else self._attempts
        return self._failed >= most * self._servers


def _is_empty(answer: Completion, sampling: Sampling) -> bool:
    """Whether nothing came, where no end string can be the reason."""
    return not answer.text.strip() and not answer.truncated and not sampling.stops


async def _nothing_to_close(_: object) -> None:
    """Semaphores hold nothing open."""
