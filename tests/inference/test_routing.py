"""Several servers of one model: the least loaded is asked, and one that dies costs nothing that it had answered."""

import asyncio
import socket
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest
from aiohttp import web
from tenacity import RetryCallState, wait_none

from iterpref_core.config import BudgetParams, InferenceParams
from iterpref_core.errors import ConfigError, EndpointError
from iterpref_core.inference.answer_store import AnswerStore
from iterpref_core.inference.backend import CallError, Completion, FaultKind, Request, Sampling
from iterpref_core.inference.backend_factory import describe_endpoint, leaves_this_machine, open_model
from iterpref_core.inference.budget import Budget
from iterpref_core.inference.openai.mock_endpoint import Behavior, MockEndpoint, serve
from iterpref_core.inference.openai.openai_backend import OpenAIBackend
from iterpref_core.inference.openai.rate_limits import RateLimiter
from iterpref_core.inference.openai.routing import EndpointServer, RoutedEndpoint
from tests.inference.conftest import Clock
from tests.settings import section

SAMPLING = Sampling(temperature=0.5, max_new_tokens=20)
FREE = section(BudgetParams, calls=None, tokens=None, dollars=None)


def echo(prompt: str, seed: int) -> str:
    return f"{prompt} with {seed}"


def many(count: int) -> list[Request]:
    return [Request(f"prompt {number}", number) for number in range(count)]


def answers_to(requests: list[Request]) -> list[str]:
    return [echo(request.prompt, request.seed) for request in requests]


def inference(base_url: str | tuple[str, ...] | None, attempts: int = 4) -> InferenceParams:
    return section(
        InferenceParams,
        backend="openai", bf16=False, base_url=base_url, api="chat", timeout_s=20.0, attempts=attempts, recording=None,
        price_prompt=1.0, price_completion=1.0,
    )  # fmt: skip


class Dying(MockEndpoint):
    """After so many answers it cuts every call off, those under way included, as a killed server does."""

    def __init__(self, behavior: Behavior, answers: int) -> None:
        super().__init__(echo, behavior)
        self.left = answers

    async def _respond(self, request: web.Request, body: bytes, digest: str) -> web.StreamResponse:
        response = None
        if self.left > 0:
            self.left -= 1
            response = await super()._respond(request, body, digest)
        if response is None or self.left <= 0:
            assert request.transport is not None
            request.transport.close()
        return response or web.Response()


def nothing_listens() -> str:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}/v1"


def test_one_of_three_servers_dies_in_the_middle_and_nothing_is_lost_or_asked_twice(tmp_path: Path) -> None:
    pace = Behavior(median_s=0.01, sigma=0.5)
    mocks = [MockEndpoint(echo, pace), Dying(pace, answers=40), MockEndpoint(echo, pace)]
    requests = many(300)
    with ExitStack() as stack:
        urls = tuple(stack.enter_context(serve(mock)) for mock in mocks)
        store = stack.enter_context(AnswerStore(tmp_path / "answers.sqlite", "a run"))
        faults = Counter[str]()
        model = stack.enter_context(open_model("m", "auto", inference(urls), FREE, store, 24, faults))
        assert [answer.text for answer in model.generate(requests, SAMPLING)] == answers_to(requests)
        calls = sum(mock.asked.total() for mock in mocks)
        assert [answer.text for answer in model.generate(requests, SAMPLING)] == answers_to(requests)
        assert sum(mock.asked.total() for mock in mocks) == calls, "everything is kept"
        assert store.spent().calls == 300
    # An answer that the dying server lost on its way was never had, so its prompt was asked elsewhere, once.
    answered = sum((mock.answered for mock in (mocks[0], mocks[2])), Counter[str]())
    assert max(answered.values()) == 1
    assert answered.total() + len(mocks[1].answered) >= 300
    assert mocks[0].repeated == mocks[2].repeated == 0
    assert calls == 300 + sum(faults.values()), "one further call for each that failed"
    assert 3 <= sum(faults.values()) <= 24 + 10, "those under way when it died, and a trial now and then"
    assert {"cut", "connection"} >= set(faults)


def test_the_server_with_the_fewest_calls_under_way_is_asked() -> None:
    fast, slow = (MockEndpoint(echo, Behavior(median_s=median, sigma=0)) for median in (0.01, 1.0))
    with serve(fast) as one, serve(slow) as other:
        backend = OpenAIBackend("m", (one, other), api="chat", concurrency=8, timeout_s=20, attempts=2)
        backend.generate(many(120), SAMPLING)
    assert fast.answered.total() > 3 * slow.answered.total() > 0
    assert fast.most_in_flight <= 7
    assert 4 <= slow.most_in_flight <= 7


def test_servers_that_are_alike_get_alike_many_calls() -> None:
    mocks = [MockEndpoint(echo, Behavior(median_s=0.005, sigma=0)) for _ in range(3)]
    with ExitStack() as stack:
        urls = [stack.enter_context(serve(mock)) for mock in mocks]
        OpenAIBackend("m", urls, api="chat", concurrency=6, timeout_s=20, attempts=2).generate(many(90), SAMPLING)
    assert all(20 <= mock.answered.total() <= 40 for mock in mocks)


def test_a_server_that_asks_for_a_pause_holds_only_its_own_calls_back(clock: Clock) -> None:
    paused = MockEndpoint(echo, Behavior(faults={"rate_limited": 1.0}, retry_after_s=60))
    with serve(paused) as one, serve(MockEndpoint(echo, Behavior())) as other:
        backend = OpenAIBackend("m", (one, other), api="chat", concurrency=4, timeout_s=20, attempts=2)
        assert [answer.text for answer in backend.generate(many(40), SAMPLING)] == answers_to(many(40))
    assert clock.slept == []
    assert paused.asked.total() <= 4, "those that were under way when it said so"


def no_pause(_: RetryCallState) -> float:
    raise AssertionError("a pause")


def test_servers_that_are_all_away_are_told_by_name() -> None:
    urls = [nothing_listens(), nothing_listens()]
    backend = OpenAIBackend("m", urls, api="chat", concurrency=1, timeout_s=5, attempts=50, wait=wait_none())
    with pytest.raises(EndpointError, match=rf"{urls[0]}, {urls[1]}: model 'm': 6 attempts.*connection: {urls[1]}"):
        asyncio.run(backend.answer(Request("p", 0), SAMPLING))


def test_a_server_that_is_away_from_the_start_costs_no_pause() -> None:
    with serve(MockEndpoint(echo, Behavior())) as there:
        urls = [nothing_listens(), nothing_listens(), nothing_listens(), there]
        backend = OpenAIBackend("m", urls, api="chat", concurrency=1, timeout_s=20, attempts=1, wait=no_pause)
        assert [answer.text for answer in backend.generate(many(20), SAMPLING)] == answers_to(many(20))
    assert 3 <= backend.faults["connection"] <= 12


def test_a_budget_is_that_of_all_servers_together(tmp_path: Path) -> None:
    with ExitStack() as stack:
        urls = [stack.enter_context(serve(MockEndpoint(echo, Behavior()))) for _ in range(2)]
        store = stack.enter_context(AnswerStore(tmp_path / "answers.sqlite", "a run"))
        budget = Budget(FREE.model_copy(update={"calls": 10}), inference(None), store)
        backend = OpenAIBackend("m", urls, api="chat", concurrency=4, timeout_s=5, attempts=1, budget=budget)
        with pytest.raises(Exception, match=r"budget\.calls: the cap of 10 is reached: 10 calls"):
            backend.generate(many(20), SAMPLING)


class Scripted:
    """Fails as the script says, and answers when it is at its end."""

    def __init__(self, *script: FaultKind | None) -> None:
        self.script = list(script)

    async def answer(self, request: Request, sampling: Sampling) -> Completion:
        fault = self.script.pop(0) if self.script else None
        if fault:
            raise CallError(fault, "no")
        return Completion("text", 1, 1, truncated=False)


async def ask(routed: RoutedEndpoint, times: int) -> list[bool]:
    """Whether each of so many calls, one after another, was answered."""
    answered = []
    for _ in range(times):
        try:
            await routed.answer(Request("p", 0), SAMPLING)
            answered.append(True)
        except CallError:
            answered.append(False)
    return answered


def test_faults_now_and_then_are_no_reason_to_leave_a_server_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    flaky = EndpointServer("flaky", Scripted("malformed", None, "cut", "timeout", None), RateLimiter())  # type: ignore[arg-type]
    routed = RoutedEndpoint([flaky], 1)
    assert asyncio.run(ask(routed, 5)) == [False, True, False, False, True]
    assert not flaky.is_left_alone


def test_a_server_is_tried_again_by_one_call_after_ever_longer_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("iterpref_core.inference.openai.routing.time.monotonic", lambda: now[0])
    gates = RateLimiter(), RateLimiter()
    down = EndpointServer("down", Scripted(*["connection"] * 3), gates[0])  # type: ignore[arg-type]
    routed = RoutedEndpoint([down, EndpointServer("up", Scripted(), gates[1])], 1)  # type: ignore[arg-type]
    tried = []
    for second in range(12):
        now[0] = 1000.0 + second
        before = down.asked
        asyncio.run(ask(routed, 4))
        if down.asked > before:
            tried.append(second)
    # It fails at 0, again after 1 s and after 2 s more; 4 s later it is back, and gets its share from then on.
    assert tried[:4] == [0, 1, 3, 7]
    assert down.failures == 0
    assert tried[4:] == [8, 9, 10, 11]


@pytest.mark.parametrize(
    ("base_url", "urls"),
    [
        (None, ()),
        ("http://a/v1", ("http://a/v1",)),
        ("http://a/v1, http://b/v1,http://a/v1", ("http://a/v1", "http://b/v1")),
        (("http://a/v1", "http://b/v1"), ("http://a/v1", "http://b/v1")),
    ],
)
def test_base_urls_are_a_list_or_stand_between_commas(base_url: str | tuple[str, ...] | None, urls: list[str]) -> None:
    assert inference(base_url).base_urls == urls


def test_one_server_elsewhere_is_enough_to_leave_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    here, there = "http://127.0.0.1:1/v1", "https://example.org/v1"
    assert not leaves_this_machine(inference((here, here)))
    assert leaves_this_machine(inference((here, there)))
    assert describe_endpoint(inference((here, "http://127.0.0.1:2/v1"))) == f"endpoints {here}, http://127.0.0.1:2/v1"
    with pytest.raises(ConfigError, match=r"example\.org.*OPENAI_API_KEY"):
        describe_endpoint(inference((here, there)))
