"""What a server refuses is left out: asked once, remembered, and said."""

import asyncio

import pytest

from iterpref_core.models.inference.answer_store import AnswerStore
from iterpref_core.models.inference.backend import Request, Sampling
from iterpref_core.records import ConfigError, InferenceParams, InputError
from tests.fake_models import stored
from tests.models.inference.endpoints import REPLIES, Refusing, Scripted
from tests.settings import section

STOPS = ("</s>", "\nend 1", "\nif __name__", "\nend 2", "\nprint(", "\ndef ")
REQUEST = Request("a prompt", 3, system="Be brief.")
GREEDY = Sampling(temperature=0.0, max_new_tokens=20, stops=STOPS)


def has_system(body):
    return any(message["role"] == "system" for message in body["messages"])


HAS = {
    "temperature 0": lambda body: body["temperature"] == 0,
    "system": has_system,
    "fifth stop": lambda body: len(body.get("stop", ())) > 4,
    "whole reply": lambda body: not body.get("stream"),
}
"""Whether a request has what is refused; other parts are fields of it."""
CASES = REPLIES["refusals"]
CHANGED = {
    "temperature 0": {"temperature": 0.01},
    "temperature 0, an interval": {"temperature": 0.01},
    "five stops": {"stop": ["\ndef ", "\nprint(", "\nif __name__", "</s>"]},
    "system": {"messages": [{"role": "user", "content": "Be brief.\n\nprompt 2"}]},
    "roles": {"messages": [{"role": "user", "content": "Be brief.\n\nprompt 2"}]},
    "no stream": {"stream": True},
    "limit, OpenAI's own": {"max_completion_tokens": 20},
}
"""The fields that are sent from then on."""


def refusing(case):
    name, said, code = CASES[case]
    return Refusing(HAS.get(name, lambda body: name in body), said, code)


@pytest.mark.parametrize("case", CASES)
def test_what_a_server_refuses_is_asked_once_remembered_and_said(ask, case, tmp_path, caplog):
    name, mock = CASES[case][0], refusing(case)
    backend = ask(mock)
    with AnswerStore(tmp_path / "answers.sqlite", "run") as store:
        model = stored(backend, "m", store)
        for number in range(3):
            asyncio.run(model.answer(Request(f"prompt {number}", 3, system="Be brief."), GREEDY))
        assert name in store.known("m", "adaptation")
    assert mock.refusals == (2 if case == "stop" else 1)
    assert name in backend.adapted
    # That the limit has another name is nobody's business.
    said = 0 if name == "max_tokens" else mock.refusals
    assert caplog.text.count("refuses the usual call, and is asked otherwise: ") == said
    # What is not refused stays.
    last = mock.bodies[-1]
    for field, value in CHANGED.get(case, {}).items():
        assert last[field] == value
    kept = {"model", "messages", "temperature", "seed", "max_tokens", "stop"}
    changed = {"temperature 0": "", "fifth stop": "", "system": "", "whole reply": ""}.get(name, name)
    assert kept - {changed} <= last.keys()


def test_a_refusal_that_only_names_a_parameter_teaches_nothing(ask):
    """The prompt is refused without the seed, too: it was not the seed."""
    backend = ask(Refusing(lambda _: True, {"error": {"message": "the prompt has the word seed in it"}}))
    answer = asyncio.run(backend.answer(REQUEST, GREEDY))
    assert answer.missing == "refused: 400 the prompt has the word seed in it"
    assert not backend.adapted


def test_the_users_parameters_are_in_each_call(ask):
    mock = Scripted()
    named = {"top_p": 0.9, "top_k": 20, "min_p": 0.1, "reasoning_effort": "low"}
    extra = {"chat_template_kwargs": {"enable_thinking": False}}
    asyncio.run(ask(mock, extra_body=extra, **named).answer(REQUEST, GREEDY))
    assert named | extra == {name: mock.bodies[0][name] for name in named | extra}


def test_a_parameter_of_the_users_that_is_refused_ends_the_run(ask):
    mock = Refusing(lambda body: "top_k" in body, {"error": {"message": "Unrecognized request argument: top_k"}})
    with pytest.raises(InputError, match=r"refuses top_k.*change inference\.top_k"):
        asyncio.run(ask(mock, top_k=20).answer(REQUEST, GREEDY))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"backend": "transformers", "top_p": 0.9}, r"inference: top_p: only an endpoint takes them"),
        ({"backend": "openai", "extra_body": {"seed": 3}}, r"inference\.extra_body: every call has a seed of its own"),
    ],
)
def test_fields_that_would_be_ignored_or_replaced_are_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        section(InferenceParams, **values)
