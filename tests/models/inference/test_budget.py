"""Caps hold over restarts, are exceeded by no more than what is in flight, and by calls never."""

import asyncio
from contextlib import suppress

import pytest

from iterpref_core.models.inference.answer_store import AnswerStore, Spent
from iterpref_core.models.inference.backend import Completion, Model, ask_all
from iterpref_core.records import BudgetError, ConfigError, EndpointError, InferenceParams
from tests.fake_models import stored
from tests.models.inference.endpoints import SAMPLING, many, one
from tests.settings import FREE, changed, section

PRICES = section(InferenceParams, backend="openai", base_url=None, price_prompt=2.0, price_completion=10.0)
COST = (2 * 2.0 + 3 * 10.0) / 1e6
CONCURRENCY = 8


class Watched(Model):
    """Answers after a moment with 2 and 3 tokens, or fails."""

    concurrency = CONCURRENCY

    def __init__(self, error=None):
        self.error = error

    async def answer(self, request, sampling):
        await asyncio.sleep(0.001)
        if self.error:
            raise self.error
        return Completion("x", 2, 3)


def capped(store=None, model=None, **values):
    return stored(model or Watched(), "m", store, changed(FREE, **values), PRICES, concurrency=CONCURRENCY)


def test_a_cap_on_dollars_needs_prices_where_an_endpoint_is_billed():
    cap = changed(FREE, dollars=3.0)
    free = changed(PRICES, price_prompt=0.0, price_completion=0.0)
    with pytest.raises(ConfigError, match=r"budget\.dollars caps nothing while inference\.price_prompt and"):
        stored(Watched(), "m", None, cap, free)
    for inference in (changed(free, backend="transformers"), changed(PRICES, price_completion=0.0)):
        stored(Watched(), "m", None, cap, inference)


@pytest.mark.parametrize("cap", [{"tokens": 100}, {"dollars": 20 * COST}])
def test_tokens_and_dollars_are_exceeded_by_what_is_in_flight_at_most(cap):
    model = capped(**cap)
    with pytest.raises(BudgetError):
        ask_all(model, many(60), SAMPLING)
    assert 20 <= model.spent.calls < 20 + CONCURRENCY


def run_capped(path, name, calls, prompts=60):
    """A run that ends at its cap, or completes; returns what it had spent by then."""
    with suppress(BudgetError), AnswerStore(path, name) as store:
        model = capped(store, calls=calls)
        try:
            ask_all(model, many(prompts), SAMPLING)
        finally:
            spent = store.spent()
    return spent


def test_a_raised_cap_continues_with_what_was_spent_before(tmp_path):
    path = tmp_path / "store"
    assert [run_capped(path, "run", calls) for calls in (4, 4, 10)] == [Spent(n, 2 * n, 3 * n) for n in (4, 4, 10)]
    assert run_capped(path, "other run", 3).calls == 3, "what another run asked is there, and costs nothing"


def test_a_completed_run_leaves_the_next_one_its_whole_budget(tmp_path):
    path = tmp_path / "store"
    assert run_capped(path, "pairs", calls=5, prompts=4).calls == 4
    assert run_capped(path, "pairs", calls=5, prompts=4).calls == 0, "all of it is kept"
    assert run_capped(path, "pairs", calls=5, prompts=9).calls == 5
    assert run_capped(path, "pairs", calls=5, prompts=20).calls == 5, "but for one that did not come to its end"


@pytest.mark.parametrize("error", [EndpointError("timeout"), ConfigError("no")])
def test_a_call_without_an_answer_leaves_its_place_to_another(error):
    inner = Watched(error)
    model = capped(model=inner, calls=1)
    with pytest.raises(type(error)):
        one(model)
    assert model.spent == Spent()
    inner.error = None
    assert one(model).text == "x"
