"""What a server refuses is left out: asked once, remembered, and said."""

import json

import pytest

from iterpref_core.models.inference.adaptations import ADAPTATIONS, notes_of
from iterpref_core.models.inference.answer_store import AnswerStore
from iterpref_core.models.inference.backend import Sampling, ask_all
from iterpref_core.records import ConfigError, InferenceParams, InputError
from tests.fake_models import stored
from tests.models.inference.endpoints import SAMPLING, Refusing, Scripted, many, one
from tests.settings import section


@pytest.fixture(autouse=True)
def _as_many_attempts_as_ever(monkeypatch):
    monkeypatch.setattr("iterpref_core.models.inference.openai_model.ATTEMPTS", 10)


STOPS = ("</s>", "\nend 1", "\nif __name__", "\nend 2", "\nprint(", "\ndef ")
HAS = {
    "temperature 0": lambda body: body.get("temperature") == 0,
    "system": lambda body: any(message["role"] == "system" for message in body["messages"]),
    "fifth stop": lambda body: len(body.get("stop", ())) > 4,
    "whole reply": lambda body: not body.get("stream"),
}
"""Whether a request has what is refused; other parts are fields of it."""
REFUSALS = [
    (403, "the operator has turned it off for safety"),
    (422, [{"error": {"message": "your part is off the menu; try again without", "status": "ODD"}}]),
    (500, {"detail": ""}),
    (200, {"error": "E1007"}),
    *(BOTH := [(400, {"error": {"message": "E1007"}}), (400, {"error": {"message": "kaput: {}"}})]),
]
"""Refusals in words of no other server, the last with the name of the part."""
CHANGED = {
    "temperature 0": {"temperature": 0.01},
    "fifth stop": {"stop": ["\ndef ", "\nprint(", "\nif __name__", "</s>"]},
    "system": {"messages": [{"role": "user", "content": "Be brief.\n\nprompt 2"}]},
    "whole reply": {"stream": True},
    "max_tokens": {"max_completion_tokens": 20},
}
"""The fields that are sent from then on."""


def refusing(part, said=None, code=400):
    return Refusing(HAS.get(part, lambda body: part in body), said or {"error": {"message": "E1007"}}, code)


@pytest.mark.parametrize(
    ("part", "code", "said"),
    [(part, *refusal) for part in ADAPTATIONS for refusal in (REFUSALS if part == "system" else BOTH)],
)
def test_whatever_part_a_server_refuses_it_answers_within_seven_calls(ask, part, code, said, tmp_path, caplog):
    named = "stream" if part == "whole reply" else part.split()[-1 if part == "fifth stop" else 0]
    mock = refusing(part, json.loads(json.dumps(said).replace("{}", named)), code)
    backend = ask(mock)
    # Chats have no end strings, and completions no system message.
    sampling = Sampling(0.0, 20, STOPS if "stop" in part else ())
    system = "Be brief." if part in ("system", "max_tokens") else ""
    with AnswerStore(tmp_path / "answers.sqlite", "run") as store:
        model = stored(backend, "m", store)
        for number in range(3):
            assert one(model, f"prompt {number}", sampling=sampling, system=system).text
        assert store.known("m", "adaptation") == backend.adapted == {part}
    assert mock.first_answer <= (4 if "{}" in str(said) else 7)
    # No answer is thrown away, and then the server refuses nothing.
    assert len(mock.bodies) == mock.refusals + 3
    notes = notes_of([part])
    assert caplog.text.count("and is asked otherwise: ") == len(notes)
    last = mock.bodies[-1]
    assert CHANGED.get(part, {}).items() <= last.items()
    # What is not refused stays.
    changed = {part} & {"seed", "temperature", "stop", "max_tokens"}
    assert mock.bodies[0].keys() - changed <= last.keys()


def test_a_server_may_refuse_two_parts_one_after_the_other(ask):
    """As OpenAI's reasoning models do: "Unsupported parameter: max_tokens", then the same of the temperature."""

    def has(body):
        named = [name for name in ("max_tokens", "temperature") if name in body]
        mock.said = {"error": {"message": f"Unsupported parameter: {named[:1]}"}}
        return named

    mock = Refusing(has, None)
    assert one(ask(mock)).text == "a prompt with 3"
    assert {"max_completion_tokens", "seed"} <= mock.bodies[-1].keys()
    assert mock.first_answer == 4


def test_calls_in_flight_together_share_what_one_of_them_finds(ask):
    mock = refusing("max_tokens")
    answers = ask_all(ask(mock), many(20), SAMPLING)
    assert all(answer.text for answer in answers)
    assert mock.refusals <= 8 + 5, "each of eight calls once, and the trials of two"


def test_the_users_parameters_are_in_each_call(ask):
    mock = Scripted()
    named = {"top_p": 0.9, "top_k": 20, "min_p": 0.1, "reasoning_effort": "low"}
    extra = {"chat_template_kwargs": {"enable_thinking": False}}
    one(ask(mock, extra_body=extra, **named))
    assert named | extra == {name: mock.bodies[0][name] for name in named | extra}


def test_a_parameter_of_the_users_that_is_refused_ends_the_run(ask):
    mock = Refusing(lambda body: "top_k" in body, {"error": {"message": "Unrecognized request argument: top_k"}})
    with pytest.raises(InputError, match=r"refuses top_k.*change inference\.top_k"):
        one(ask(mock, top_k=20))


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
