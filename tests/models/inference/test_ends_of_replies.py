"""What counts as an answer of an endpoint: what says that it is finished, or cut, and nothing else."""

import asyncio
import json
import re

import pytest

from iterpref_core.models.inference.answer_store import AnswerStore
from iterpref_core.models.inference.backend import Completion, Request, Sampling, ask_all
from iterpref_core.models.inference.ends import CUT
from iterpref_core.records import InputError
from tests.fake_models import stored
from tests.models.inference.endpoints import REPLIES, SAMPLING, Scripted, choice, one, piece, refusal, reply

HALF = "```python\ndef add(a, b):\n    y = a"


@pytest.fixture(autouse=True)
def _two_attempts(monkeypatch):
    monkeypatch.setattr("iterpref_core.models.inference.openai_model.ATTEMPTS", 2)


BROKEN = {
    "an error": {"finish_reason": "error"},
    "an abort": {"finish_reason": "abort"},
    "a server without resources": {"finish_reason": "insufficient_system_resource"},
    "an error in the choice": {"finish_reason": None, "error": {"code": 502, "message": "Provider returned error"}},
    "an error beside a good reason": {"finish_reason": "stop", "error": {"code": 502}},
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_a_server_broke_off_is_no_answer_and_asked_for_again(ask, case):
    assert one(ask(Scripted(reply(HALF, **BROKEN[case])))).text == "a prompt with 3"


def test_an_answer_that_is_cut_behind_its_end_string_is_whole(ask):
    """A server may ignore `stop`, and run on to the limit of tokens."""
    text = "    return a - b\n\n\ndef next_task(x):\n    pass\n\nassert x == (\n"
    mock = Scripted(choice(text=text, finish_reason="length"))
    backend = ask(mock, api="completions")
    sampling = Sampling(0.0, 512, stops=("\ndef ", "\nassert"))
    answer = asyncio.run(backend.answer(Request("def add(a, b):", 3), sampling))
    assert (answer.text, answer.truncated) == ("    return a - b\n\n", False)
    assert mock.bodies[0]["stop"] == ["\ndef ", "\nassert"]


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


def test_calls_of_tools_are_said(ask, caplog):
    call = {"id": "1", "type": "function", "function": {"name": "python", "arguments": '{"code": "x = 1"}'}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    backend = ask(Scripted(*[choice(message=message, finish_reason="tool_calls")] * 2))
    assert [one(backend).text, one(backend, "again").text] == ["", ""]
    assert caplog.text.count("'some-model': an answer is empty, and tool_calls has its text") == 1


def events(*chunks):
    lines = [chunk if isinstance(chunk, str) else json.dumps(chunk) for chunk in chunks]
    return (": a comment\n\n" + "".join(f"data: {line}\n\n" for line in lines)).encode()


USAGE = {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 7}}


def test_the_pieces_of_a_stream_are_put_together(ask):
    mock = Scripted(events(piece("x ="), piece(" 1"), piece("", "length"), USAGE, "[DONE]"))
    assert one(ask(mock)) == Completion("x = 1", 5, 7, CUT)


@pytest.mark.parametrize(
    "chunks",
    [
        (piece("x ="),),
        (piece("x ="), {"error": {"message": "overloaded"}}, "[DONE]"),
        (piece("x =", "error"), "[DONE]"),
    ],
)
def test_a_stream_that_ends_before_its_answer_is_asked_for_again(ask, chunks):
    backend = ask(Scripted(events(*chunks)))
    assert one(backend).text == "a prompt with 3"


@pytest.mark.parametrize("body", REPLIES["failures"])
@pytest.mark.parametrize("code", [400, 401, 500])
def test_the_reason_of_a_failure_is_shown_whatever_the_shape_of_the_body(ask, body, code):
    backend = ask(Scripted(*[refusal(code, body)] * 2))
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
