"""What is made of somebody's own code is looked at before it goes to another machine."""

import asyncio
from collections import Counter

import pytest

from iterpref_core.codeflow.conversation import open_conversations
from iterpref_core.config import load_params
from iterpref_core.errors import RefusedError
from iterpref_core.inference.backend import Completion, Request, Sampling
from iterpref_core.inference.concurrent_prompts import ConcurrentEndpoint
from iterpref_core.inference.privacy_guard import GuardedEndpoint
from iterpref_core.records import OWN_CODE, AssertTest, Problem
from tests.settings import ROOT

PARAMS = ROOT / "params.yaml"
SAMPLING = Sampling(temperature=0.0, max_new_tokens=8)
SECRET = "connect(password='kT9x!vQ2mZ7w')\n# owner: jane.doe@acme.io"


class Elsewhere(ConcurrentEndpoint):
    """A server that remembers what it was sent."""

    concurrency = 2

    def __init__(self) -> None:
        self.sent: list[str] = []

    async def answer(self, request: Request, sampling: Sampling) -> Completion:
        self.sent.append(request.prompt)
        return Completion("ok", 1, 1, truncated=False)


def test_a_private_prompt_with_personal_data_never_leaves_and_is_counted() -> None:
    server, faults = Elsewhere(), Counter[str]()
    guarded = GuardedEndpoint(server, 2, faults)
    with pytest.raises(RefusedError, match="email"):
        asyncio.run(guarded.answer(Request(SECRET, 0, private=True), SAMPLING))
    assert asyncio.run(guarded.answer(Request("def f(): ...", 0, private=True), SAMPLING)).text == "ok"
    assert asyncio.run(guarded.answer(Request(SECRET, 0), SAMPLING)).text == "ok"
    assert server.sent == ["def f(): ...", SECRET]
    assert faults == {"withheld_email": 1}


def test_of_many_prompts_only_the_withheld_ones_get_no_answer() -> None:
    server = Elsewhere()
    requests = [Request("a", 0, private=True), Request(SECRET, 0, private=True), Request("b", 0)]
    answers = GuardedEndpoint(server, 2, Counter()).generate(requests, SAMPLING)
    assert [answer.text for answer in answers] == ["ok", "", "ok"]


def test_what_is_asked_about_own_code_is_private() -> None:
    tests = (AssertTest(code="assert True"),)
    for source, private in (("synthesized", False), (f"{OWN_CODE}acme", True)):
        problem = Problem(task_id="t", prompt="p", entry_point="f", tests=tests, source=source)
        params = load_params(PARAMS).codeflow
        for way in ("debugging", "sampling"):
            conversation = open_conversations(problem, params.model_copy(update={"source": way}))[0]
            assert conversation.request().private is private
