"""What a server refuses is left out: asked once, remembered, and said."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from iterpref_core.models.inference.answer_store import AnswerStore
from iterpref_core.models.inference.backend import Request, Sampling
from iterpref_core.records.config import InferenceParams
from iterpref_core.records.errors import ConfigError, InputError
from tests.fake_models import stored
from tests.mock_endpoint import MockEndpoint, serve
from tests.models.inference.test_openai import Scripted, opened
from tests.settings import section

if TYPE_CHECKING:
    from aiohttp import web

    from iterpref_core.models.inference.openai_model import OpenAIModel

STOPS = ("</s>", "\nend 1", "\nif __name__", "\nend 2", "\nprint(", "\ndef ")
REQUEST = Request("a prompt", 3, system="Be brief.")
GREEDY = Sampling(temperature=0.0, max_new_tokens=20, stops=STOPS)


@pytest.fixture
def ask() -> "Iterator[Callable[..., OpenAIModel]]":
    """Serves a mock, and opens a backend for it."""
    with ExitStack() as servers:

        def ask(mock: MockEndpoint, **settings: Any) -> "OpenAIModel":
            return opened(servers.enter_context(serve(mock)), **settings)

        yield ask


class Refusing(Scripted):
    """Refuses calls that have something, with a body of the server's own shape."""

    def __init__(self, has: Callable[[dict[str, Any]], bool], said: Any, code: int = 400) -> None:
        super().__init__()
        self.has, self.said, self.code = has, said, code
        self.refusals = 0

    async def _respond(self, request: "web.Request", body: bytes, digest: str) -> "web.StreamResponse":
        from aiohttp import web

        asked = json.loads(body)
        if not self.has(asked):
            return await super()._respond(request, body, digest)
        self.bodies.append(asked)
        self.refusals += 1
        return web.json_response(self.said, status=self.code)

    def _completion(self, asked: dict[str, Any]) -> bytes:
        return super()._completion({"seed": 0} | asked)


def has_system(body: dict[str, Any]) -> bool:
    return any(message["role"] == "system" for message in body["messages"])


EXTRA_SEED = {"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs are not permitted", "input": 7}
NO_LIMIT = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
NO_TEMPERATURE = "Unsupported value: 'temperature' does not support 0.0 with this model. Only the default is supported."
NO_SEED = 'Invalid JSON payload received. Unknown name "seed": Cannot find field.'
CASES: dict[str, tuple[str, Callable[[dict[str, Any]], bool], Any, int]] = {
    "limit, text in detail": ("max_tokens", lambda body: "max_tokens" in body, {"detail": NO_LIMIT}, 400),
    "limit, text in error": ("max_tokens", lambda body: "max_tokens" in body, {"error": NO_LIMIT}, 400),
    "temperature, a list": (
        *("temperature", lambda body: "temperature" in body),
        *([{"error": {"code": 400, "message": NO_TEMPERATURE}}], 400),
    ),
    "temperature 0": (
        *("temperature 0", lambda body: body["temperature"] == 0),
        *({"error": "Input validation error: `temperature` must be strictly positive"}, 422),
    ),
    "temperature 0, an interval": (
        *("temperature 0", lambda body: body["temperature"] == 0),
        *({"error": {"message": "temperature must be in (0.0, 1.0]"}}, 400),
    ),
    "roles": ("system", has_system, {"error": "Only user and assistant roles are supported!"}, 400),
    "seed, of pydantic": ("seed", lambda body: "seed" in body, {"detail": [EXTRA_SEED]}, 422),
    "seed, a list": ("seed", lambda body: "seed" in body, [{"error": {"code": 400, "message": NO_SEED}}], 400),
    "system": ("system", has_system, {"object": "error", "message": "System role not supported", "code": 400}, 400),
    "five stops": (
        *("fifth stop", lambda body: len(body.get("stop", ())) > 4),
        *({"error": {"message": "Invalid 'stop': array too long. Expected maximum length 4, got 6."}}, 400),
    ),
    "stop": ("stop", lambda body: "stop" in body, {"detail": "stop: extra fields not permitted"}, 422),
    "no stream": (
        *("whole reply", lambda body: not body.get("stream")),
        *({"error": {"message": "This model only supports stream mode"}}, 400),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_a_server_refuses_is_asked_once_and_remembered(
    ask: "Callable[..., OpenAIModel]", case: str, tmp_path: Path
) -> None:
    name, has, said, code = CASES[case]
    mock = Refusing(has, said, code)
    backend = ask(mock)
    with AnswerStore(tmp_path / "answers.sqlite", "run") as store:
        model = stored(backend, "m", store)
        for number in range(3):
            asyncio.run(model.answer(Request(f"prompt {number}", 3, system="Be brief."), GREEDY))
        assert name in store.adaptations("m")
    assert mock.refusals == (2 if case == "stop" else 1)
    assert name in backend.adapted
    # What is not refused stays.
    last = mock.bodies[-1]
    kept = {"model", "messages", "temperature", "seed", "max_tokens", "stop"}
    changed = {"temperature 0": "", "fifth stop": "", "system": "", "whole reply": ""}.get(name, name)
    assert kept - {changed} <= last.keys()


def test_the_way_in_which_a_server_is_asked_otherwise() -> None:
    bodies = {}
    for case, (_, has, said, code) in CASES.items():
        mock = Refusing(has, said, code)
        with serve(mock) as url:
            asyncio.run(opened(url).answer(REQUEST, GREEDY))
        bodies[case] = mock.bodies[-1]
    assert bodies["temperature 0"]["temperature"] == 0.01
    assert bodies["temperature 0, an interval"]["temperature"] == 0.01
    assert [message["role"] for message in bodies["roles"]["messages"]] == ["user"]
    assert bodies["five stops"]["stop"] == ["\ndef ", "\nprint(", "\nif __name__", "</s>"]
    assert bodies["system"]["messages"] == [{"role": "user", "content": "Be brief.\n\na prompt"}]
    assert bodies["no stream"]["stream"] is True
    assert bodies["limit, text in error"]["max_completion_tokens"] == 20


def test_a_refusal_that_only_names_a_parameter_teaches_nothing(ask: "Callable[..., OpenAIModel]") -> None:
    """The prompt is refused without the seed, too: it was not the seed."""
    backend = ask(Refusing(lambda _: True, {"error": {"message": "the prompt has the word seed in it"}}))
    answer = asyncio.run(backend.answer(REQUEST, GREEDY))
    assert answer.missing == "refused: 400 the prompt has the word seed in it"
    assert not backend.adapted


def test_the_users_parameters_are_in_each_call(ask: "Callable[..., OpenAIModel]") -> None:
    mock = Scripted()
    extra = {"chat_template_kwargs": {"enable_thinking": False}}
    backend = ask(mock, top_p=0.9, top_k=20, min_p=0.1, reasoning_effort="low", extra_body=extra)
    asyncio.run(backend.answer(REQUEST, GREEDY))
    sent = {name: mock.bodies[0][name] for name in ("top_p", "top_k", "min_p", "reasoning_effort")}
    assert sent == {"top_p": 0.9, "top_k": 20, "min_p": 0.1, "reasoning_effort": "low"}
    assert mock.bodies[0]["chat_template_kwargs"] == {"enable_thinking": False}


def test_a_parameter_of_the_users_that_is_refused_ends_the_run(ask: "Callable[..., OpenAIModel]") -> None:
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
def test_fields_that_would_be_ignored_or_replaced_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        section(InferenceParams, **values)
