"""Money: what a server bills is what CodeFlow reports, to the token, through faults, interrupts and repeats."""

import asyncio
import json
import random
import signal
import threading

import pytest

from iterpref_core.pairs.codeflow.codeflow import run_codeflow
from iterpref_core.pairs.codeflow.roles import choose_models
from iterpref_core.records import (
    BudgetError,
    CodeflowParams,
    IoTest,
    Problem,
    PromptFormat,
)
from iterpref_core.storage.jsonl import write_jsonl
from tests.mock_endpoint import Behavior, MockEndpoint, inference_at, serve
from tests.settings import EXECUTION, FREE, changed, section

PROBLEMS = 8
PARAMS = section(CodeflowParams, source="debugging", max_iterations=2, draft_model="debugger", temperature=0.8)
UNBILLED = {429: "slow down", 500: "broke", 400: "flagged", 404: "deployment is scaling up, retry later"}
ENDS = ("stop", "stop", "stop", "odd", "content_filter", "error")
"""Ends of the replies that are billed: the last three cannot be used, and the last is asked for again at once."""


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch):
    monkeypatch.setattr("iterpref_core.models.inference.pacing._FIRST_S", 0.001)
    monkeypatch.setattr("iterpref_core.models.inference.openai_model.ATTEMPTS", 100)


def answer(prompt, seed):
    return f"def f(x):\n    return x + {int('wrong' in prompt and seed % 2)}\n" + "# more\n" * (seed % 5)


class Billing(MockEndpoint):
    """Bills each whole reply; some have an odd end, and some calls fail. At one call it interrupts the client.

    With `end`, no call fails, and the replies about the first problem alone have this end.
    """

    def __init__(self, seed, *, interrupt_at=0, counts=True, end=None):
        super().__init__(answer, Behavior())
        self.seed, self.interrupt_at, self.counts, self.end = seed, interrupt_at, counts, end
        self.calls, self.billed = 0, [0, 0, 0]

    async def _respond(self, request, body, digest):
        from aiohttp import web

        self.calls += 1
        if self.calls == self.interrupt_at:
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            await asyncio.sleep(3600)
        chance = random.Random(f"{self.seed} {digest} {self.asked[digest]}")
        if self.end is None and chance.random() < 0.3:
            status = chance.choice(list(UNBILLED))
            return web.json_response({"error": {"message": UNBILLED[status]}}, status=status)
        content = json.loads(self._completion(json.loads(body)))
        first = b'"0: add' in body
        content["choices"][0]["finish_reason"] = (self.end if first else "stop") if self.end else chance.choice(ENDS)
        usage = content["usage"]
        if not self.counts:
            del content["usage"]
        for place, amount in enumerate((1, usage["prompt_tokens"], usage["completion_tokens"])):
            self.billed[place] += amount
        return web.json_response(content)


def run(folder, url, budget=FREE):
    """Debug the problems once, and return the metrics."""
    inference = changed(inference_at(url), price_prompt=2.0, price_completion=10.0, concurrency=1)
    test = IoTest(call="f(1)", expected="2")
    problems = (
        Problem(task_id=f"t{number}", prompt=f"{number}: add one.", entry_point="f", tests=(test,))
        for number in range(PROBLEMS)
    )
    write_jsonl(folder / "problems.jsonl", problems)
    models = choose_models("m", "m", PARAMS, inference, budget, PromptFormat(), PromptFormat())
    files = folder / "answers.sqlite", folder / "out.jsonl"
    return run_codeflow(folder / "problems.jsonl", models, PARAMS, EXECUTION, *files)


def dollars(billed):
    return round((2.0 * billed[1] + 10.0 * billed[2]) / 1e6, 6)


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 20))])
def test_the_report_has_what_the_server_bills(tmp_path, seed):
    mock = Billing(seed, interrupt_at=5 + seed if seed % 2 else 0)
    interrupts = repeats = 0
    with serve(mock) as url:
        missing = PROBLEMS
        while missing:
            try:
                found = run(tmp_path, url)
            except KeyboardInterrupt:
                interrupts += 1
                continue
            assert [found.llm_calls, found.prompt_tokens, found.completion_tokens] == mock.billed
            assert found.cost_usd == dollars(mock.billed)
            assert found.tokens_estimated is None
            repeats, missing = repeats + 1, found.missing
        calls = mock.calls
        assert (run(tmp_path, url), mock.calls) == (found, calls), "all is kept, and costs what it has cost"
    assert (interrupts, repeats > 1) == (seed % 2, True)


def test_a_budget_counts_answers_that_cannot_be_used_over_repeats_of_the_command(tmp_path):
    mock = Billing(0, end="odd")
    with serve(mock) as url:
        first = run(tmp_path, url)
        budget = changed(FREE, calls=first.llm_calls + 1)
        assert (first.missing, run(tmp_path, url, budget).llm_calls) == (1, first.llm_calls + 1)
        with pytest.raises(BudgetError, match=f"{first.llm_calls + 1} calls, "):
            run(tmp_path, url, budget)
    assert mock.billed[0] == first.llm_calls + 1


def test_replies_that_are_asked_for_again_end_at_the_cap(tmp_path):
    mock = Billing(0, end="error")
    with serve(mock) as url, pytest.raises(BudgetError):
        run(tmp_path, url, changed(FREE, calls=5))
    assert mock.billed[0] == 5


def test_tokens_that_a_server_does_not_count_are_marked_as_estimates(tmp_path):
    mock = Billing(0, end="stop", counts=False)
    with serve(mock) as url:
        for _ in range(2):
            found = run(tmp_path, url)
            assert found.tokens_estimated == found.llm_calls == mock.billed[0] > 0
