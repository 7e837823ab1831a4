"""Faults: what servers say with a status of their own, and what comes of each."""

import asyncio

import pytest

from iterpref_core.models.inference.backend import Request, Sampling
from iterpref_core.models.inference.faults import fault_of
from tests.mock_endpoint import serve
from tests.models.inference.endpoints import REPLIES, Scripted, choice, one, opened


@pytest.mark.parametrize(
    ("then", "status", "text"), [(then, *row) for then, rows in REPLIES["faults"].items() for row in rows]
)
def test_what_comes_of_a_fault(then, status, text):
    assert fault_of(status, "", text).then == then


@pytest.mark.parametrize("repeats", [True, False])
def test_a_prompt_that_a_completion_repeats_is_taken_off(ask, repeats):
    asked = Request("import re\ndef f(x):\n", 1, raw=True)
    backend = ask(Scripted(choice(text=f"{asked.prompt if repeats else ''}    return x\n")), api="completions")
    assert asyncio.run(backend.answer(asked, Sampling(0.0, 99, stops=("\ndef ",)))).text == "    return x\n"


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
