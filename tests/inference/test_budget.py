"""Caps are never exceeded, are used as far as they can be, and survive restarts and kills."""

import asyncio
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest
from tenacity import wait_none

from iterpref_core.config import BudgetParams, InferenceParams
from iterpref_core.errors import BudgetError, ConfigError, RefusedError
from iterpref_core.inference.answer_store import AnswerStore, Spent, StoredEndpoint
from iterpref_core.inference.backend import CallError, Completion, Request, Sampling
from iterpref_core.inference.budget import TEMPLATE_TOKENS, Budget, MeteredBackend, MeteredEndpoint, at_most
from iterpref_core.inference.openai.mock_endpoint import Behavior, MockEndpoint, serve
from iterpref_core.inference.openai.openai_backend import OpenAIBackend
from iterpref_core.inference.replay import ReplayBackend
from tests.settings import section

SAMPLING = Sampling(temperature=0.5, max_new_tokens=20)
FREE = section(BudgetParams, calls=None, tokens=None, dollars=None)
PRICES = section(
    InferenceParams,
    backend="openai",
    bf16=False,
    base_url=None,
    api="chat",
    timeout_s=9,
    attempts=1,
    recording=None,
    price_prompt=2.0,
    price_completion=10.0,
)
ONE = at_most(Request("prompt 0", 0), SAMPLING)
COST = Budget(FREE, PRICES).cost(ONE)


def test_a_cap_on_dollars_needs_prices_where_an_endpoint_is_billed() -> None:
    caps = section(BudgetParams, calls=None, tokens=None, dollars=3.0)
    free = PRICES.model_copy(update={"price_prompt": 0.0, "price_completion": 0.0})
    with pytest.raises(ConfigError, match=r"budget\.dollars caps nothing while inference\.price_prompt and"):
        Budget(caps, free)
    Budget(caps, free.model_copy(update={"backend": "transformers"}))
    Budget(caps, PRICES.model_copy(update={"price_completion": 0.0}))


class Watched:
    """Answers after a moment with 2 and 3 tokens; notes what was reserved in all while calls were in flight."""

    def __init__(self, error: Exception | None = None) -> None:
        self.calls, self.in_flight, self.most_in_flight, self.error = 0, 0, 0, error

    def generate(self, requests: list[Request], sampling: Sampling) -> list[Completion]:
        self.calls += len(requests)
        return [Completion("x", 2, 3, truncated=False) for _ in requests]

    async def answer(self, request: Request, sampling: Sampling) -> Completion:
        self.calls += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        await asyncio.sleep(0.001)
        self.in_flight -= 1
        if self.error:
            raise self.error
        return Completion("x", 2, 3, truncated=False)


def ask(endpoint: Watched, budget: Budget, count: int) -> int:
    """How many of so many prompts, asked all at once, were answered."""

    async def answer_all() -> int:
        metered = MeteredEndpoint(endpoint, budget, 99)  # type: ignore[arg-type]
        requests = [Request(f"prompt {number % 10}", number) for number in range(count)]
        found = await asyncio.gather(*(metered.answer(one, SAMPLING) for one in requests), return_exceptions=True)
        assert all(isinstance(one, (Completion, BudgetError)) for one in found)
        return sum(isinstance(one, Completion) for one in found)

    return asyncio.run(answer_all())


def caps(**values: float) -> BudgetParams:
    return FREE.model_copy(update=values)


def test_exactly_as_many_calls_as_are_allowed() -> None:
    endpoint, budget = Watched(), Budget(caps(calls=7), PRICES)
    assert ask(endpoint, budget, 50) == endpoint.calls == 7
    assert budget.spent == Spent(7, 14, 21)


@pytest.mark.parametrize(
    ("cap", "most"),
    [({"tokens": 3 * ONE.tokens}, 3), ({"dollars": 3.5 * COST}, 3), ({"calls": 2}, 2)],
)
def test_no_more_is_in_flight_than_fits_at_its_most_and_what_it_did_not_cost_is_spent_on_others(
    cap: dict[str, float], most: int
) -> None:
    endpoint, budget = Watched(), Budget(caps(**cap), PRICES)
    answered = ask(endpoint, budget, 400)
    assert endpoint.most_in_flight == most
    assert answered == endpoint.calls
    if "tokens" in cap:
        assert cap["tokens"] - ONE.tokens < budget.spent.tokens <= cap["tokens"]
    if "dollars" in cap:
        assert cap["dollars"] - COST < budget.dollars <= cap["dollars"]


def test_the_bound_counts_bytes_the_template_and_all_new_tokens() -> None:
    assert at_most(Request("héé", 0), SAMPLING) == Spent(1, 5 + TEMPLATE_TOKENS, 20)


def test_the_message_names_the_cap_what_was_spent_and_the_remedy() -> None:
    budget = Budget(caps(calls=1), PRICES)
    ask(Watched(), budget, 1)
    with pytest.raises(BudgetError, match=r"budget\.calls: the cap of 1 .*1 calls, 5 tokens, 0\.0000 dollars.*raise"):
        budget.reserve_now(ONE)


def test_a_raised_cap_continues_with_what_was_spent_before(tmp_path: Path) -> None:
    for calls, answered in ((4, 4), (4, 0), (10, 6)):
        with AnswerStore(tmp_path / "store", "run") as store:
            assert ask(Watched(), Budget(caps(calls=calls), PRICES, store), 20) == answered
    with AnswerStore(tmp_path / "store", "other run") as store:
        assert ask(Watched(), Budget(caps(calls=3), PRICES, store), 20) == 3
    with AnswerStore(tmp_path / "store", "run") as store:
        assert store.charged() == Spent(10, 20, 30)


@pytest.mark.parametrize(
    ("error", "charged"),
    [
        (CallError("rate_limited", ""), Spent()),
        (CallError("server_error", ""), Spent()),
        (CallError("connection", ""), Spent()),
        (RefusedError("no"), Spent()),
        (CallError("timeout", ""), ONE),
        (CallError("cut", ""), ONE),
        (CallError("malformed", ""), ONE),
    ],
)
def test_a_failed_call_counts_at_its_most_where_it_may_have_been_billed(
    error: Exception, charged: Spent, tmp_path: Path
) -> None:
    with AnswerStore(tmp_path / "store", "run") as store:
        budget = Budget(FREE, PRICES, store)
        with pytest.raises(type(error)):
            asyncio.run(MeteredEndpoint(Watched(error), budget, 1).answer(Request("prompt 0", 0), SAMPLING))
        assert budget.spent == store.charged() == charged


class Stuck(Watched):
    """Answers two calls and hangs in the third."""

    def __init__(self, hanging: Event) -> None:
        super().__init__()
        self.hanging = hanging

    async def answer(self, request: Request, sampling: Sampling) -> Completion:
        if request.seed < 2:
            return await super().answer(request, sampling)
        while self.calls < 2 or self.in_flight:
            await asyncio.sleep(0.001)
        self.hanging.set()
        await asyncio.sleep(600)
        raise AssertionError


def test_calls_cut_off_by_a_kill_stay_charged(tmp_path: Path) -> None:
    processes = get_context("fork")
    hanging = processes.Event()

    def run() -> None:
        with AnswerStore(tmp_path / "store", "run") as store:
            ask(Stuck(hanging), Budget(caps(calls=3), PRICES, store), 5)

    process = processes.Process(target=run)
    process.start()
    assert hanging.wait(60)
    process.kill()
    process.join()
    with AnswerStore(tmp_path / "store", "run") as store:
        assert store.charged() == Spent(2, 4, 6) + ONE
        assert ask(Watched(), Budget(caps(calls=3), PRICES, store), 5) == 0


def test_a_batch_that_may_not_fit_is_not_begun() -> None:
    inner = Watched()
    backend = MeteredBackend(inner, Budget(caps(calls=5), PRICES))  # type: ignore[arg-type]
    requests = [Request("p", number) for number in range(3)]
    assert len(backend.generate(requests, SAMPLING)) == 3
    with pytest.raises(BudgetError):
        backend.generate(requests, SAMPLING)
    assert inner.calls == 3


def test_what_a_run_was_answered_under_a_cap_it_is_not_asked_again_without_one(tmp_path: Path) -> None:
    recording = ReplayBackend({f"p{number}": [f"a{number}"] for number in range(10)})
    requests = [Request(f"p{number}", 0) for number in range(10)]
    for calls in (6, None):
        with AnswerStore(tmp_path / "store", "run") as store:
            metered = MeteredEndpoint(recording, Budget(caps(calls=calls), PRICES, store), 4)  # type: ignore[arg-type]
            endpoint = StoredEndpoint(metered, "model", store, 4)
            if calls:
                with pytest.raises(BudgetError):
                    endpoint.generate(requests, SAMPLING)
            else:
                assert [answer.text for answer in endpoint.generate(requests, SAMPLING)] == [f"a{n}" for n in range(10)]
    assert len(recording.requests) == 10


def test_every_attempt_at_an_endpoint_that_may_have_been_billed_counts() -> None:
    mock = MockEndpoint(lambda *_: "one two", Behavior(faults={"malformed": 0.2, "empty": 0.2, "server_error": 0.2}))
    budget = Budget(FREE, PRICES)
    with serve(mock) as url:
        backend = OpenAIBackend(
            "m", url, api="chat", concurrency=8, timeout_s=20, attempts=20, budget=budget, wait=wait_none()
        )
        backend.generate([Request("prompt 0", number) for number in range(30)], SAMPLING)
    faults = backend.faults
    assert budget.spent.calls == 30 + faults["empty"] + faults["malformed"]
    assert budget.spent.completion_tokens == 2 * 30 + faults["malformed"] * SAMPLING.max_new_tokens
    assert min(faults["malformed"], faults["empty"], faults["server_error"]) > 0
