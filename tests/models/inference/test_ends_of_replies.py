"""What counts as an answer of an endpoint: what says that it is finished, or cut, and nothing else."""

import asyncio
import re

import pytest

from iterpref_core.models.inference.answer_store import AnswerStore
from iterpref_core.models.inference.backend import Request, ask_all
from iterpref_core.records import InputError
from tests.fake_models import stored
from tests.models.inference.endpoints import REPLIES, SAMPLING, Scripted, choice, one, refusal


@pytest.fixture(autouse=True)
def _two_attempts(monkeypatch):
    monkeypatch.setattr("iterpref_core.models.inference.openai_model.ATTEMPTS", 2)


def test_half_a_character_of_a_prompt_or_an_answer_ends_nothing(ask, tmp_path):
    mock = Scripted(choice(text="Done \ud83d"))
    with AnswerStore(tmp_path / "answers.sqlite", "run") as store:
        model = stored(ask(mock), "m", store)
        asked = Request("half \ud83d", 3)
        answer = asyncio.run(model.answer(asked, SAMPLING))
        assert answer.text == "Done \ufffd"
        assert asyncio.run(model.answer(asked, SAMPLING)) == answer
    (body,) = mock.bodies
    assert body["messages"][0]["content"] == "half \ufffd", "asked once"


@pytest.mark.parametrize("body", REPLIES["failures"])
@pytest.mark.parametrize("code", [400, 401, 500])
def test_the_reason_of_a_failure_is_shown_whatever_the_shape_of_the_body(ask, body, code):
    backend = ask(Scripted(*[refusal(code, body)] * 6))
    try:
        said = one(backend).missing
    except InputError as error:
        said = str(error)
    assert re.search(f"{code} .*Quota of the project is gone", said)


def test_a_model_is_asked_where_an_event_loop_runs_already(ask):
    """As in a notebook."""
    backend = ask(Scripted())

    async def cell():
        return ask_all(backend, [Request("a prompt", 3)], SAMPLING)

    assert asyncio.run(cell())[0].text == "a prompt with 3"
