"""Answers that are kept: asked for once, whatever happens afterwards."""

import asyncio
from dataclasses import replace

from iterpref_core.models.inference.answer_store import AnswerStore, answer_key
from iterpref_core.models.inference.backend import Completion, Request, Sampling, ask_all
from iterpref_core.models.inference.ends import CUT, FINISHED
from tests.fake_models import FakeModel, stored

SAMPLING = Sampling(temperature=0.5, max_new_tokens=8)


class Oracle(FakeModel):
    """Answers with a number that grows by one with every call."""

    def __init__(self):
        self.asked = []

    def complete(self, requests, sampling):
        return [self._answer(request) for request in requests]

    async def answer(self, request, sampling):
        return self._answer(request)

    def _answer(self, request):
        self.asked.append(request)
        return Completion(str(len(self.asked)), 10, 3, FINISHED if len(self.asked) % 2 else CUT)


def test_what_was_answered_is_not_asked_again_not_even_by_another_process(tmp_path):
    oracle = Oracle()
    requests = [Request("a", 1), Request("a", 2), Request("b", 1), Request("a", 1)]
    with AnswerStore(tmp_path / "answers.sqlite", "run") as store:
        first = ask_all(stored(oracle, "model", store), requests, SAMPLING)
    assert [answer.text for answer in first] == ["1", "2", "3", "1"]
    with AnswerStore(tmp_path / "answers.sqlite", "other run") as store:
        endpoint = stored(oracle, "model", store)
        assert ask_all(endpoint, requests, SAMPLING) == first
        assert asyncio.run(endpoint.answer(Request("b", 1), SAMPLING)) == first[2]
        assert asyncio.run(endpoint.answer(Request("c", 1), SAMPLING)).text == "4"
    assert len(oracle.asked) == 4


def test_all_that_decides_an_answer_is_in_its_key():
    request = Request("p", 1)
    keys = [answer_key(model, request, SAMPLING) for model in ("model", "other")]
    for change in ({"prompt": "q"}, {"seed": 2}, {"raw": True}, {"system": "s"}):
        keys.append(answer_key("model", replace(request, **change), SAMPLING))
    for change in ({"temperature": 0.6}, {"max_new_tokens": 9}, {"stops": ("#",)}):
        keys.append(answer_key("model", request, replace(SAMPLING, **change)))
    assert len(set(keys)) == 9


def test_a_private_prompt_with_personal_data_never_leaves_and_its_answer_is_missing():
    secret = "connect(password='kT9x!vQ2mZ7w')\n# owner: jane.doe@acme.io"
    oracle = Oracle()
    guarded = stored(oracle, "model", None, guarded=True)
    requests = [Request("def f(): ...", 0, private=True), Request(secret, 0, private=True), Request(secret, 1)]
    for request in requests[::2]:
        asyncio.run(guarded.answer(request, SAMPLING))
    withheld = asyncio.run(guarded.answer(requests[1], SAMPLING))
    assert oracle.asked == requests[::2]
    assert withheld.missing.startswith("withheld: ")
    assert "a key or password (pass…)" in withheld.missing
