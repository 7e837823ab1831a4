"""Faults: what servers say with a status of their own, and what comes of each."""

import asyncio
import logging
import time

import pytest

from iterpref_core.models.inference.backend import Request, Sampling
from iterpref_core.models.inference.faults import fault_of
from iterpref_core.records import EndpointError, InputError
from tests.mock_endpoint import serve
from tests.models.inference.endpoints import REPLIES, Scripted, choice, one, opened, reply, status


@pytest.mark.parametrize(
    ("then", "status", "text"), [(then, *row) for then, rows in REPLIES["faults"].items() for row in rows]
)
def test_what_comes_of_a_fault(then, status, text):
    assert fault_of(status, "", text).then == then


def test_a_quota_that_is_used_up_ends_the_run_with_the_first_call(ask):
    mock = Scripted(status(429, "You exceeded your current quota, check your plan", code="insufficient_quota"))
    began = time.monotonic()
    with pytest.raises(EndpointError, match=r"exceeded your current quota.*received is kept"):
        one(ask(mock))
    assert len(mock.bodies) == 1
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_answers_that_stand_in_the_reasoning_are_said_with_what_mends_it(ask, field, caplog):
    model = ask(Scripted(*[choice(message={"content": "", field: "def f(x): return x"})] * 3))
    assert [one(model, f"{number}").text for number in range(3)] == [""] * 3
    assert caplog.text.count("an answer is empty") == 1
    assert f"{field} has its text" in caplog.text
    assert "enable_thinking: false" in caplog.text


@pytest.mark.parametrize("repeats", [True, False])
def test_a_prompt_that_a_completion_repeats_is_taken_off(ask, repeats):
    asked = Request("import re\ndef f(x):\n", 1, raw=True)
    backend = ask(Scripted(choice(text=f"{asked.prompt if repeats else ''}    return x\n")), api="completions")
    assert asyncio.run(backend.answer(asked, Sampling(0.0, 99, stops=("\ndef ",)))).text == "    return x\n"


@pytest.mark.parametrize(
    "form", [": keep-alive\n\n: keep-alive\n\n{}", "{}\n\ndata: [DONE]\n", "{}\n[DONE]", ": x\n{}\n\ndata: [DONE]\n\n"]
)
def test_marks_of_a_stream_around_a_reply_that_is_none_are_passed_over(ask, form):
    content = '{\n "choices": [{"message": {"content": "x = 1"},\n "finish_reason": "stop"}]}'
    assert one(ask(Scripted(form.replace("{}", content).encode()))).text == "x = 1"


def test_the_version_of_an_api_goes_with_each_call():
    asked = []

    class Azure(Scripted):
        async def _respond(self, request, body, digest):
            asked.append((request.path, request.query_string))
            return await super()._respond(request, body, digest)

    with serve(Azure()) as url:
        model = opened(f"{url}?api-version=2024-10-21")
        assert one(model).text == "a prompt with 3"
    assert asked == [("/v1/chat/completions", "api-version=2024-10-21")]


def test_an_error_in_a_reply_is_read_as_one_with_its_status(ask, monkeypatch, caplog):
    monkeypatch.setattr("iterpref_core.models.inference.pacing._FIRST_S", 0.001)
    caplog.set_level(logging.WARNING)
    assert one(ask(Scripted({"error": {"code": 403, "message": "flagged"}}))).missing.startswith("refused: 403 ")
    assert one(ask(Scripted({"error": {"message": "busy"}}))).text == "a prompt with 3"
    with pytest.raises(InputError):
        one(ask(Scripted(reply("", error={"code": 401, "message": "no key"}))))
