"""Wrap a model so that its answers are kept. A call is looked up, guarded, reserved, made, settled and stored.

The model itself is opened when it is first asked for an answer that is not kept.
"""

from collections import deque
from collections.abc import Callable, Iterable

from iterpref_core.programs.source_code.private_data import find_private
from iterpref_core.records import BACKENDS, BudgetError, BudgetParams, ConfigError, InferenceParams, prompt_text

from .answer_store import AnswerStore, Spent, answer_key
from .backend import Completion, Model, Request, Sampling
from .finish_reasons import check_answered

MISSING_IN_A_ROW = 20
"""After this many unanswered prompts in a row, the server is at fault, not the prompts."""


class StoredModel(Model):
    """A model that is asked only for answers that the store does not hold, and only while no cap is reached.

    The cap on calls is never exceeded but by a reply that cannot be used; those on tokens and dollars at most by the
    calls in flight.

    Args:
        open_inner: opens the model that answers; called once, even if that fails, and never where all answers are kept.
        identity: the key of the model's answers, without prompt and sampling.
        store: keeps the answers; None: they are not kept.
        caps: caps on the spending of the store's run, over all its restarts, or None.
        prices: dollars per million tokens; None for a model on this machine, which is free.
        in_process: the model computes in this process.
        adapted: how an earlier run found that the model's server has to be asked.
        concurrency: prompts at once.
        guarded: the model is on another machine, and is never sent a private prompt with a secret or personal data in
            it. (Own code is filtered when it becomes problems; the feedback of its tests is known only now.)

    Attributes:
        kept: the number of answers that an earlier process had asked for.
        spent: the spending of the store's run.
        bill: the cost of all answers that were returned, to any run, with the replies to their requests that cannot be
            used; zero without a store.

    Raises:
        ConfigError: an endpoint has a cap on dollars but no prices, so no call would reach the cap.
    """

    def __init__(
        self,
        open_inner: Callable[[], Model],
        identity: str,
        store: AnswerStore | None,
        caps: BudgetParams | None = None,
        prices: InferenceParams | None = None,
        *,
        in_process: bool,
        adapted: frozenset[str] = frozenset(),
        concurrency: int = 64,
        guarded: bool = False,
    ) -> None:
        if caps and caps.dollars and prices:
            check_prices(prices)
        self._open_inner = open_inner
        self._inner: Model | None = None
        self._failure: Exception | None = None
        self._identity = identity
        self._store = store
        self._caps = caps
        self._prices = prices
        self.in_process = in_process
        self.adapted = adapted
        self.concurrency = concurrency
        self._guarded = guarded
        self.kept = 0
        # The keys that this process has looked up: their answers are not from earlier.
        self._seen: set[bytes] = set()
        self.spent = store.spent() if store else Spent()
        self.bill = Spent()
        self._in_flight = 0
        # Why the last prompts have no answer, one after the other.
        self._missing: deque[str] = deque(maxlen=MISSING_IN_A_ROW)
        self._answered = store is not None and store.has_answers(identity)

    async def answer(self, request: Request, sampling: Sampling) -> Completion:
        """Answer one request. A prompt that must not leave this machine is withheld.

        Raises:
            BudgetError: a cap is reached.
            InputError: no prompt has an answer.
            EndpointError: all calls fail.
        """
        key = answer_key(self._identity, request, sampling)
        answer = await self._known_or_asked(key, request, sampling)
        if self._store:
            self.bill += self._store.bill(key)
        return answer

    @property
    def cost_usd(self) -> float:
        """Return the price of the bill, in dollars."""
        return self.bill.dollars(self._prices) if self._prices else 0.0

    async def _known_or_asked(self, key: bytes, request: Request, sampling: Sampling) -> Completion:
        known = self._store.get(key) if self._store else None
        self.kept += known is not None and key not in self._seen
        self._seen.add(key)
        if known is not None:
            return known
        withheld = self._reason_to_withhold(request)
        if withheld:
            return Completion("", 0, 0, f"withheld: {withheld}")
        self._check_caps(self._in_flight)
        self._in_flight += 1
        try:
            answer = await self._opened().answer(request, sampling)
        finally:
            self._in_flight -= 1
        self._keep(key, request, answer)
        found = self._opened().adapted - self.adapted
        self.adapted |= found
        if self._store:
            self._store.remember(self._identity, "adaptation", found)
        self._check_in_a_row(answer)
        return answer

    def _check_in_a_row(self, answer: Completion) -> None:
        """Look at the prompts without an answer before this one.

        Raises:
            UnansweredError: no prompt has an answer yet, and this many were asked.
            EndpointError: this many calls failed in a row: the server will not be back soon.
        """
        if not answer.missing:
            self._answered = True
            self._missing.clear()
            return
        self._missing.append(answer.missing)
        all_failed = all(reason.startswith("failed") for reason in self._missing)
        if len(self._missing) == MISSING_IN_A_ROW and (all_failed or not self._answered):
            check_answered(self._missing, MISSING_IN_A_ROW, f"model {self._identity!r}")

    def forget_earlier(self, requests: Iterable[Request], sampling: Sampling) -> None:
        """Find the answers of earlier processes to these requests no more; their cost still counts as spent."""
        if self._store is not None:
            keys = {answer_key(self._identity, request, sampling) for request in requests}
            self._store.invalidate(keys - self._seen)

    def _opened(self) -> Model:
        # A server that fails to start takes minutes to fail: all waiting questions share one attempt.
        if self._failure is not None:
            raise self._failure
        if self._inner is None:
            try:
                self._inner = self._open_inner()
            except Exception as failure:
                self._failure = failure
                raise
            self._inner.unused = self._count_unused
        return self._inner

    def _reason_to_withhold(self, request: Request) -> str | None:
        if not (self._guarded and request.private):
            return None
        found = find_private(prompt_text(request.prompt))
        return f"it comes from your own code and seems to hold {found}" if found else None

    def _check_caps(self, in_flight: int) -> None:
        """Let a call begin beside others.

        Raises:
            BudgetError: a cap is reached.
        """
        spent = self.spent
        dollars = spent.dollars(self._prices) if self._prices else 0.0
        # With a cap of 10 calls, 7 spent and 2 in flight, one more may begin, and no second one.
        # Tokens and dollars of a call are known only when it has ended, so calls in flight count as none.
        begun = {
            "calls": spent.calls + in_flight,
            "tokens": spent.tokens,
            "dollars": dollars,
        }
        for name, amount in begun.items():
            cap = getattr(self._caps, name, None)
            if cap is not None and amount >= cap:
                raise BudgetError(
                    f"budget.{name}: the cap of {cap:,} is reached: {spent.calls:,} calls, {spent.tokens:,} tokens, "
                    f"{dollars:.4f} dollars are spent. Nothing received is lost: raise the cap in params.yaml and "
                    "run the same command again to continue"
                )

    def _keep(self, key: bytes, request: Request, answer: Completion) -> None:
        """Count a reply, and store it under a key."""
        self.spent += Spent.on(answer)
        if self._store:
            self._store.put(key, answer, self._identity, request)

    def _count_unused(self, request: Request, sampling: Sampling, reply: Completion) -> None:
        """Count a reply that cannot be used; its request is asked again, beside the others in flight.

        Raises:
            BudgetError: a cap is reached.
        """
        self._keep(answer_key(self._identity, request, sampling), request, reply)
        self._check_caps(self._in_flight - 1)


def check_prices(inference: InferenceParams) -> None:
    """Refuse a cap on dollars where no answer has a price.

    Raises:
        ConfigError: the backend is an endpoint without prices.
    """
    free = not inference.price_prompt and not inference.price_completion
    if free and not BACKENDS[inference.backend].local:
        raise ConfigError(
            "budget.dollars caps nothing while inference.price_prompt and inference.price_completion are 0; "
            "give the endpoint's prices, in dollars per million tokens, or cap budget.tokens instead"
        )
