"""Budget: caps on what a run may ask of a model, over all its restarts; they are never exceeded.

A call is made only if it fits under every cap even at its most: as many prompt tokens as the prompt has bytes, and as
many new tokens as are allowed. That much is reserved, on disk, before the call; afterwards what it did cost takes its
place. A call that was cut off, by the network or by `kill -9`, may have been billed, and so its reservation stays.
"""

import asyncio
from collections.abc import Sequence

from iterpref_core.config import BudgetParams, InferenceParams
from iterpref_core.errors import BudgetError, ConfigError, IterPrefError
from iterpref_core.inference.answer_store import AnswerStore, Spent
from iterpref_core.inference.backend import Backend, CallError, Completion, Endpoint, Request, Sampling
from iterpref_core.inference.concurrent_prompts import ConcurrentEndpoint

TEMPLATE_TOKENS = 256
"""Room for what a server's chat template adds to a prompt."""


class Budget:
    """What may be spent, and what has been.

    Args:
        caps: of all calls together.
        prices: dollars per million tokens.
        store: remembers over restarts what its run has spent; without one, this process counts for itself.

    Raises:
        ConfigError: dollars of an endpoint are capped, and its prices are not there: nothing would ever reach the cap.
    """

    def __init__(self, caps: BudgetParams, prices: InferenceParams, store: AnswerStore | None = None) -> None:
        if caps.dollars and prices.backend == "openai" and not prices.price_prompt + prices.price_completion:
            raise ConfigError(
                "budget.dollars caps nothing while inference.price_prompt and inference.price_completion are 0; "
                "give the endpoint's prices, in dollars per million tokens, or cap budget.tokens instead"
            )
        self._caps, self._prices, self._store = caps, prices, store
        self._charged = store.charged() if store else Spent()
        self._reserved = Spent()
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def spent(self) -> Spent:
        """By all calls that have ended, in this run's earlier processes too."""
        return self._charged

    @property
    def dollars(self) -> float:
        """What these cost."""
        return self.cost(self._charged)

    def cost(self, spent: Spent) -> float:
        """Dollars."""
        prompt, completion = self._prices.price_prompt, self._prices.price_completion
        return cost_usd(spent.prompt_tokens, spent.completion_tokens, prompt, completion)

    async def reserve(self, most: Spent) -> "Charge":
        """Reserve what calls cost at most; as long as that does not fit, wait for calls in flight to cost less.

        Raises:
            BudgetError: it does not fit, and no call is in flight.
        """
        while self._exceeded(most) and self._reserved != Spent():
            ended = asyncio.get_running_loop().create_future()
            self._waiting.append(ended)
            await ended
        return self.reserve_now(most)

    def reserve_now(self, most: Spent) -> "Charge":
        """Reserve what calls cost at most.

        Raises:
            BudgetError: it does not fit.
        """
        cap = self._exceeded(most)
        if cap is not None:
            raise BudgetError(self._explain(cap, most))
        self._reserved += most
        return Charge(self, most, self._store)

    def end(self, most: Spent, spent: Spent) -> None:
        """Put what was spent in the place of a reservation."""
        self._reserved -= most
        self._charged += spent
        waiting, self._waiting = self._waiting, []
        for ended in waiting:
            if not ended.done():
                ended.set_result(None)

    def _exceeded(self, most: Spent) -> str | None:
        """The first cap that would be exceeded if so much more were spent."""
        total = self._charged + self._reserved + most
        caps = self._caps
        if caps.calls is not None and total.calls > caps.calls:
            return "calls"
        if caps.tokens is not None and total.tokens > caps.tokens:
            return "tokens"
        if caps.dollars is not None and self.cost(total) > caps.dollars:
            return "dollars"
        return None

    def _explain(self, cap: str, most: Spent) -> str:
        spent = self._charged
        limit = f"{self._caps.dollars:g}" if cap == "dollars" else f"{getattr(self._caps, cap):,}"
        return (
            f"budget.{cap}: the cap of {limit} is reached: {spent.calls:,} calls, {spent.tokens:,} tokens, "
            f"{self.dollars:.4f} dollars are spent, and the next call may take {most.tokens:,} tokens, "
            f"{self.cost(most):.4f} dollars. Nothing received is lost: raise the cap in params.yaml and run the same "
            "command again to continue"
        )


def cost_usd(prompt_tokens: float, completion_tokens: float, price_prompt: float, price_completion: float) -> float:
    """Dollars that tokens cost, by prices in dollars per million."""
    return (prompt_tokens * price_prompt + completion_tokens * price_completion) / 1e6


class Charge:
    """A reservation, on disk where there is a store."""

    def __init__(self, budget: Budget, most: Spent, store: AnswerStore | None) -> None:
        self._budget, self.most, self._store = budget, most, store
        self._number = store.charge(most) if store else 0

    def settle(self, spent: Spent) -> None:
        """End it with what was spent; once."""
        if self._store:
            self._store.settle(self._number, spent)
        self._budget.end(self.most, spent)


def at_most(request: Request, sampling: Sampling) -> Spent:
    """What one call can cost: no tokenizer makes more tokens of a text than it has bytes."""
    return Spent(1, len((request.system + request.prompt).encode()) + TEMPLATE_TOKENS, sampling.max_new_tokens)


class MeteredEndpoint(ConcurrentEndpoint):
    """An endpoint whose every call is under a budget.

    Args:
        inner: answers.
        budget: what may be spent.
        concurrency: prompts that `generate` asks at once.
    """

    def __init__(self, inner: Endpoint, budget: Budget, concurrency: int) -> None:
        self._inner, self._budget, self.concurrency = inner, budget, concurrency

    async def answer(self, request: Request, sampling: Sampling) -> Completion:
        """Answer one request.

        Raises:
            BudgetError: a cap is reached.
        """
        charge = await self._budget.reserve(at_most(request, sampling))
        try:
            answer = await self._inner.answer(request, sampling)
        except BaseException as error:
            charge.settle(Spent() if _is_free(error) else charge.most)
            raise
        charge.settle(_cost_of([answer]))
        return answer


class MeteredBackend:
    """A backend whose every batch is under a budget: one that may not fit is not begun, so that none is lost."""

    def __init__(self, inner: Backend, budget: Budget) -> None:
        self._inner, self._budget = inner, budget

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> list[Completion]:
        """Answer every request, in order.

        Raises:
            BudgetError: a cap is reached.
        """
        most = sum((at_most(request, sampling) for request in requests), Spent())
        charge = self._budget.reserve_now(most)
        try:
            answers = self._inner.generate(requests, sampling)
        except BaseException as error:
            charge.settle(Spent() if _is_free(error) else most)
            raise
        charge.settle(_cost_of(answers))
        return answers


def _is_free(error: BaseException) -> bool:
    """Whether a call that ended so was certainly not billed."""
    return isinstance(error, IterPrefError) or (isinstance(error, CallError) and not error.answered)


def _cost_of(answers: Sequence[Completion]) -> Spent:
    return sum((Spent(1, answer.prompt_tokens, answer.completion_tokens) for answer in answers), Spent())
