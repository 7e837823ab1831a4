"""Odd ends and replies: one of them costs its own prompt at most."""

import json

import pytest

from iterpref_core.models.inference.backend import Request, Sampling
from iterpref_core.models.inference.http_errors import fault_of
from iterpref_core.models.inference.replies import ReplyError, read_reply
from tests.models.inference.endpoints import REPLIES, Scripted, choice, one, reply

ASKED = Request("abcdefg", 3)


@pytest.mark.parametrize(
    ("then", "status", "text"), [(then, *row) for then, rows in REPLIES["faults"].items() for row in rows]
)
def test_what_comes_of_a_fault(then, status, text):
    assert fault_of(status, "", text).action == then


@pytest.mark.parametrize("repeats", [True, False])
def test_a_prompt_that_a_completion_repeats_is_taken_off(ask, repeats):
    prompt = "import re\ndef f(x):\n"
    backend = ask(Scripted(choice(text=f"{prompt if repeats else ''}    return x\n")), api="completions")
    assert one(backend, prompt, sampling=Sampling(0.0, 99, ("\ndef ",)), raw=True).text == "    return x\n"


@pytest.mark.parametrize("case", REPLIES["passing"])
def test_a_refusal_that_may_pass_is_repeated_once(ask, case):
    mock = Scripted(reply("x"), *[REPLIES["passing"][case]] * 3)
    backend = ask(mock)
    assert one(backend).text == "x"
    assert one(backend, "b").missing.startswith("refused: 4")
    assert one(backend, "c").text == "c with 3"
    assert [body["messages"][0]["content"] for body in mock.bodies] == ["a prompt", "b", "b", "c", "c"]


ECHOES = {
    "the whole body": lambda body: {"detail": "upstream hiccup", "body": body},
    "in a text": lambda body: {"error": {"message": f"could not parse {json.dumps(body)}"}},
    "as Python has it": lambda body: {"error": {"message": f"bad gateway for {body}"}},
}


@pytest.mark.parametrize("case", ECHOES)
def test_a_refusal_that_repeats_the_request_teaches_nothing(ask, case):
    stops = ["\ndef ", "\nclass "]
    body = {
        "model": "some-model", "seed": 3, "max_tokens": 20, "temperature": 0.0, "stop": stops,
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "a prompt"}],
    }  # fmt: skip
    mock = Scripted([400, ECHOES[case](body)])
    backend = ask(mock)
    # It has passed when the call is made again as it was.
    assert one(backend, sampling=Sampling(0.0, 20, tuple(stops)), system="Be brief.").text
    assert (backend.adapted, mock.bodies == [body] * 2) == (frozenset(), True)


def data(text, reason=None):
    """Return a piece of a stream."""
    piece = {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": reason}]}
    return f"data: {json.dumps(piece)}"


WHOLE = {"choices": [{"message": {"role": "assistant", "content": "x = 1"}, "finish_reason": "stop"}]}
ENDED = data("x = 1", "stop")
STREAMS = {
    "a final message": [data("x ="), data(" 1"), f"data: {json.dumps(WHOLE)}"],
    "choices of null": ['data: {"choices": [null]}', ENDED],
    "no list of choices": ['data: {"choices": 3}', ENDED],
    "a delta that is a text": [
        'data: {"choices": [{"delta": "x ="}]}', 'data: {"choices": [{"delta": " 1", "finish_reason": "stop"}]}',
    ],
    "an event over two lines": [ENDED.replace('"delta"', '\ndata: "delta"')],
    "an empty event": ["data:", ENDED, "data: "],
    "named events": [f"event: message\nid: 7\n{ENDED}", "retry: 3"],
    "no blank after the colon": [ENDED.replace("data: ", "data:")],
}  # fmt: skip


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
@pytest.mark.parametrize("case", STREAMS)
def test_a_stream_is_read_as_its_standard_says(case, end):
    text = "".join(f"{line}\n\n" for line in [*STREAMS[case], "data: [DONE]"]).replace("\n", end)
    assert read_reply(text.encode(), ASKED).answer.text == "x = 1"


ODD = (None, True, 3, -1.5, "x", "", [], ["x"], [None], {}, {"content": 3}, {"x": {"y": []}}, [[{}]], 10**400)
FULL = {
    "model": "m",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "x", "tool_calls": None}, "finish_reason": "stop"}
    ],
    "usage": {"prompt_tokens": 5, "completion_tokens": 7, "completion_tokens_details": {"reasoning_tokens": 2}},
    "error": None,
}


def with_odd_values(value):
    """Yield copies of a value in which one field, or the value itself, is something else."""
    yield from ODD
    if isinstance(value, dict):
        for key, part in value.items():
            yield from ({**value, key: odd} for odd in with_odd_values(part))
    elif isinstance(value, list):
        yield from ([odd] for part in value for odd in with_odd_values(part))


def test_a_reply_with_a_field_of_another_type_is_an_answer_or_a_failed_call():
    tried = 0
    delta = json.loads(json.dumps(FULL).replace('"message"', '"delta"'))
    for body in [*with_odd_values(FULL), *with_odd_values(delta)]:
        stream = f"{data('a')}\n\ndata: {json.dumps(body)}\n\ndata: [DONE]\n\n"
        for content in (json.dumps(body).encode(), stream.encode()):
            tried += 1
            try:
                assert isinstance(read_reply(content, ASKED, 20).answer.text, str)
            except ReplyError:
                continue
    assert tried > 700


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"choices": ' + b"[" * 100_000], ids=["list", "choices"])
def test_a_reply_that_is_nested_without_end_is_a_failed_call(body):
    with pytest.raises(ReplyError):
        read_reply(body, ASKED)


@pytest.mark.parametrize(
    ("completion", "reasoning", "cut"),
    [(100, 80, False), (100, None, True), (64, 10, True), (64, None, True), (150, 80, True), (30, 20, False)],
)
def test_reasoning_counts_towards_the_limit_only_where_the_count_is_within_it(completion, reasoning, cut):
    usage = {"prompt_tokens": 5, "completion_tokens": completion}
    if reasoning is not None:
        usage["completion_tokens_details"] = {"reasoning_tokens": reasoning}
    answer = read_reply(json.dumps(reply("x", usage=None) | {"usage": usage}).encode(), ASKED, 64).answer
    assert (answer.truncated, answer.completion_tokens) == (cut, completion)


def test_a_key_that_a_server_repeats_is_shown_nowhere(ask, monkeypatch, caplog):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret-key")
    backend = ask(
        Scripted(reply("x", finish_reason="odd sk-very-secret-key"), reply("x") | {"model": "sk-very-secret-key"})
    )
    assert one(backend).missing == 'unknown: "odd [key]"'
    assert one(backend, "b").text == "x"
    assert "sk-very" not in caplog.text
    assert "by the name '[key]'" in caplog.text
