"""A model behind an endpoint: what is sent, what comes of every fault, and what never shows the key."""

import asyncio
import logging
import re
import time
import traceback

import pytest
from aiohttp import web

from iterpref_core.models.inference.answer_store import AnswerStore
from iterpref_core.models.inference.backend import Completion, Sampling, ask_all
from iterpref_core.models.inference.finish_reasons import CUT, FINISHED
from iterpref_core.records import ConfigError, EndpointError, InputError, IterPrefError, read_prompt
from tests.fake_models import stored
from tests.mock_endpoint import Behavior, MockEndpoint, serve
from tests.models.inference.endpoints import (
    REPLIES,
    SAMPLING,
    Refusing,
    Scripted,
    choice,
    echo,
    many,
    one,
    opened,
    reply,
)

KEY = "sk-planted-0123456789abcdef"


def test_a_chat_is_asked_with_everything_that_decides_the_answer_and_messages_as_they_are(ask):
    turns = [("system", "Be brief."), ("user", "Add."), ("assistant", "What?"), ("user", "One.")]
    messages = [{"role": role, "content": content} for role, content in turns]
    mock = Scripted()
    assert one(ask(mock), read_prompt(messages)) == Completion("One. with 3", prompt_tokens=1, completion_tokens=3)
    assert mock.bodies == [
        {"model": "some-model", "messages": messages, "temperature": 0.5, "seed": 3, "max_tokens": 20}
    ]


def test_a_raw_prompt_goes_to_completions_with_its_end_strings(ask):
    mock = Scripted(choice(text=""))
    backend = ask(mock)
    assert one(backend, "<chat>", sampling=Sampling(0.5, 20, ("\n```\n", "</s>")), raw=True).text == ""
    (body,) = mock.bodies
    assert (body["prompt"], body["stop"]) == ("<chat>", ["\n```\n", "</s>"])
    assert "messages" not in body


def test_calls_share_connections_and_never_exceed_the_concurrency(ask):
    mock = MockEndpoint(echo, Behavior(median_s=0.01))
    backend = ask(mock, concurrency=5)
    for _ in range(2):  # each in an event loop of its own
        answers = ask_all(backend, [*many(20), *many(20)], SAMPLING)
        assert [answer.text for answer in answers] == 2 * [f"prompt {n} with {n}" for n in range(20)]
    assert mock.asked.total() == 40, "equal requests are asked once"
    assert mock.most_in_flight == 5


def test_a_rate_limit_that_does_not_end_ends_the_run_with_the_way_to_continue(ask):
    mock = MockEndpoint(echo, Behavior(faults={"rate_limited": 1.0}))
    with pytest.raises(EndpointError, match=r"429 slow down.*run the same command again to continue"):
        one(ask(mock))
    assert mock.asked.total() == 4


@pytest.mark.parametrize("kind", ["server_error", "connection", "malformed"])
def test_a_prompt_whose_attempts_all_fail_has_no_answer(ask, kind):
    mock = MockEndpoint(echo, Behavior(faults={kind: 1.0}))
    assert one(ask(mock)).missing.startswith("failed: 4 times, at last: ")
    assert mock.asked.total() == 4


class TwoPlaces(MockEndpoint):
    """A healthy server that answers two calls at a time, and refuses the others."""

    def __init__(self, refusal):
        super().__init__(echo, Behavior(median_s=0.05, sigma=0.0))
        self.refusal = refusal
        self.refused = 0

    async def _respond(self, request, body, digest):
        if self.in_flight > 2:
            self.refused += 1
            message = "server busy, please try again. maximum pending requests exceeded"
            return web.json_response({"error": {"message": message}}, status=self.refusal)
        return await super()._respond(request, body, digest)


@pytest.mark.parametrize("refusal", [503, pytest.param(429, marks=pytest.mark.slow)])
def test_a_busy_server_answers_every_prompt_in_its_own_time(ask, refusal):
    mock = TwoPlaces(refusal)
    answers = ask_all(ask(mock, concurrency=64), many(50), SAMPLING)
    assert [answer.text for answer in answers] == [f"prompt {n} with {n}" for n in range(50)]
    assert mock.refused < 90, "48 at once, and then few"


def test_a_prompt_that_alone_is_refused_as_if_the_server_were_busy_has_no_answer(ask, monkeypatch):
    monkeypatch.setattr("iterpref_core.models.inference.openai_model.REFUSALS", 5)

    poison = Refusing(lambda asked: "prompt 7" in str(asked), {"error": "busy"}, 503)
    answers = ask_all(ask(poison, concurrency=4), many(60), SAMPLING)
    assert [number for number, answer in enumerate(answers) if answer.missing] == [7]
    assert answers[7].missing.startswith("failed: ")


def test_a_reply_that_trickles_is_asked_for_again_when_its_time_is_over(ask):
    class Trickling(Scripted):
        async def _respond(self, request, body, digest):
            if self.bodies:
                return await super()._respond(request, body, digest)
            self.bodies.append({})
            response = web.StreamResponse()
            await response.prepare(request)
            for _ in range(400):
                await response.write(b": keep-alive\n\n")
                await asyncio.sleep(0.05)
            return response

    began = time.monotonic()
    assert one(ask(Trickling(), timeout_s=0.5)).text == "a prompt with 3"
    assert time.monotonic() - began < 10


@pytest.mark.usefixtures("ask")
def test_no_server_at_the_address_is_told():
    with serve(Scripted()) as url:
        pass
    with pytest.raises(EndpointError, match=r"some-model.*connection.*check server"):
        one(opened(url))


@pytest.mark.parametrize(("code", "error"), [(400, InputError), (500, EndpointError)])
def test_a_server_that_answers_nothing_is_not_taken_for_a_run_of_bad_prompts(ask, code, error, monkeypatch):
    monkeypatch.setattr("iterpref_core.models.inference.openai_model.ATTEMPTS", 1)
    refusals = [[code, {"error": {"message": "no"}}]] * 80
    mock = Scripted(*refusals)
    model = stored(ask(mock), "m", None, concurrency=1)
    with pytest.raises(error, match=f"none of 20 prompts was answered: .*{code} no"):
        ask_all(model, many(40), SAMPLING)
    mock.script.clear()
    assert one(model, "another").text == "another with 3"
    mock.script += refusals
    if code == 400:
        # One of this model's prompts has an answer: now it is the prompts.
        assert all(answer.missing for answer in ask_all(model, many(40), SAMPLING))
    else:
        with pytest.raises(error):
            ask_all(model, many(40), SAMPLING)


@pytest.mark.parametrize("case", REPLIES["conversations"])
def test_what_comes_of_replies(ask, case, caplog):
    row = REPLIES["conversations"][case]
    mock = Scripted(*row["replies"])
    backend = ask(mock)
    prompts = iter(row.get("prompts", ["a prompt"]))
    answers = row.get("answers", [])
    for wanted, prompt in zip(answers, prompts, strict=False):
        answer = one(backend, prompt)
        if isinstance(wanted, str):
            assert (answer.text, answer.missing) == (wanted, "")
        else:
            assert answer.missing.startswith(wanted["missing"])
    if "counts" in row:
        assert (answer.prompt_tokens, answer.completion_tokens, answer.end) == tuple(row["counts"])
    if "ends" in row:
        kind, message = row["ends"]
        with pytest.raises({"input": InputError, "endpoint": EndpointError}[kind], match=message):
            one(backend, next(prompts))
    assert len(mock.bodies) == row.get("calls", len(row["replies"]))
    for text, times in row.get("said", {}).items():
        assert caplog.text.count(text) == times, text


def test_half_a_character_of_a_prompt_or_an_answer_ends_nothing(ask, tmp_path):
    mock = Scripted(choice(text="Done \ud83d"))
    with AnswerStore(tmp_path / "answers.sqlite", "run") as store:
        model = stored(ask(mock), "m", store)
        answers = [one(model, "half \ud83d") for _ in range(2)]
    assert [answer.text for answer in answers] == ["Done \ufffd"] * 2
    (body,) = mock.bodies
    assert body["messages"][0]["content"] == "half \ufffd", "asked once"


@pytest.mark.parametrize("body", REPLIES["failures"])
@pytest.mark.parametrize("code", [400, 401, 500])
def test_the_reason_of_a_failure_is_shown_whatever_the_shape_of_the_body(ask, body, code):
    try:
        said = one(ask(Scripted(*[[code, body]] * 12))).missing
    except InputError as error:
        said = str(error)
    assert re.search(f"{code} .*Quota of the project is gone", said)


@pytest.mark.parametrize("shape", REPLIES["answers"])
def test_every_shape_of_a_reply_is_an_answer(ask, shape):
    found, text = REPLIES["answers"][shape]
    answer = one(ask(Scripted({"choices": [found], "usage": {"prompt_tokens": 5, "completion_tokens": 7}})))
    assert answer == Completion(text, 5, 7, CUT if found.get("finish_reason") == "length" else FINISHED)


@pytest.mark.parametrize(("usage", "prompt", "completion"), REPLIES["counts"])
def test_counts_that_lack_are_estimated(ask, usage, prompt, completion):
    answer = one(ask(Scripted(reply("héllo") | {"usage": usage})), "abcdefg")
    assert (answer.prompt_tokens, answer.completion_tokens) == (prompt, completion)


STREAMS = [
    [
        rb'{"choices":[{"delta":{"content":"\ud83c"}}]}',
        rb'{"choices":[{"delta":{"content":"\udf89"},"finish_reason":"stop"}]}',
    ],
    [b'{"choices":[{"delta":{"content":"\xf0\x9f"}}]}', b'{"choices":[{"text":"\x8e\x89","finish_reason":"stop"}]}'],
    # The order of choices changes nothing.
    [b'{"choices":[{"index":1,"text":"no"},{"index":0,"text":"\xf0\x9f\x8e\x89"}]}', b"[DONE]"],
]


@pytest.mark.parametrize("pieces", STREAMS)
def test_a_character_may_stand_in_two_events_behind_a_mark_of_the_byte_order(ask, pieces):
    stream = b"\xef\xbb\xbf" + b"".join(b"data: " + piece + b"\n\n" for piece in pieces)
    assert one(ask(Scripted(stream))).text == "🎉"


@pytest.mark.parametrize(("content", "part"), REPLIES["no answer"])
def test_a_reply_without_an_answer_names_the_field(ask, content, part):
    missing = one(ask(Scripted(*[content] * 4))).missing
    assert missing.startswith("failed: 4 times")
    assert part in missing


@pytest.mark.parametrize(
    "base_url",
    [None, "api.openai.com", "ftp://host/v1", "https:///v1", "http://h:99999/v1", "http://h:x/v1", "http://[::1"],
)
def test_a_base_url_is_an_address(base_url):
    with pytest.raises(ConfigError, match=r"inference\.base_url: backend openai needs the URL of an endpoint"):
        opened(base_url)


def test_an_endpoint_elsewhere_needs_a_key_before_anything_is_done(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
        opened("https://example.org/v1")


def test_a_key_that_cannot_be_sent_is_refused_without_being_shown(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\nmore")
    with pytest.raises(ConfigError) as caught:
        opened("http://127.0.0.1:1/v1")
    assert KEY not in "".join(traceback.format_exception(caught.value))


def test_the_key_is_sent_and_shown_nowhere(ask, monkeypatch, caplog, capfd):
    """Even by a server that repeats it, with everything logged that any library has to say."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    seen = []

    def repeat(code):
        def respond(request):
            seen.append(request.headers["Authorization"])
            return web.json_response({"error": {"message": f"bad key {seen[-1]}"}}, status=code)

        return respond

    shown = []
    for code in (400, 401, 404, 429, 500):
        backend = ask(Scripted(*[repeat(code)] * 4))
        error = None
        try:
            shown.append(one(backend).missing)
        except IterPrefError as caught:
            error = caught
        while error is not None:
            shown += [str(error), repr(error), "".join(traceback.format_exception(error))]
            error = error.__context__
        shown += [repr(backend), str(vars(backend))]
    assert set(seen) == {f"Bearer {KEY}"}
    assert len(caplog.text) > 1000, "the libraries did log"
    assert KEY not in caplog.text + "".join(shown) + "".join(capfd.readouterr())
