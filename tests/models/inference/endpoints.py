"""Endpoints that answer by a script, and models that ask them."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiohttp import web

from iterpref_core.models.inference.backend import Completion, Model, Request, Sampling
from iterpref_core.models.inference.openai_model import OpenAIModel
from iterpref_core.records.config import InferenceParams
from iterpref_core.records.input_files import read_yaml
from tests.mock_endpoint import Behavior, MockEndpoint
from tests.settings import section

REPLIES: dict[str, Any] = read_yaml(Path(__file__).with_name("replies.yaml"))
SAMPLING = Sampling(temperature=0.5, max_new_tokens=20)
Ask = Callable[..., OpenAIModel]
"""(mock, **settings) → a model that asks the mock."""


def opened(url: str | None, concurrency: int = 8, kind: type[OpenAIModel] = OpenAIModel, **values: Any) -> OpenAIModel:
    settings = {"api": "chat", "timeout_s": 20.0, "concurrency": concurrency} | values
    return kind("some-model", section(InferenceParams, backend="openai", base_url=url, **settings))


def one(backend: Model, prompt: str = "a prompt", seed: int = 3) -> Completion:
    return asyncio.run(backend.answer(Request(prompt, seed), SAMPLING))


def many(count: int) -> list[Request]:
    return [Request(f"prompt {number}", number) for number in range(count)]


def echo(prompt: str, seed: int) -> str:
    return f"{prompt} with {seed}"


class Scripted(MockEndpoint):
    """Answers with what the script says, call by call, and as an endpoint should when it is at its end.

    The script has bodies as bytes, contents of JSON, and functions from a request to a response.
    """

    def __init__(self, *script: Any) -> None:
        super().__init__(echo, Behavior())
        self.script, self.bodies = list(script), list[dict[str, Any]]()

    async def _respond(self, request: web.Request, body: bytes, digest: str) -> web.StreamResponse:
        self.bodies.append(json.loads(body))
        if not self.script:
            return await super()._respond(request, body, digest)
        made = self.script.pop(0)
        if isinstance(made, bytes):
            return web.Response(body=made, content_type="text/event-stream")
        return made(request) if callable(made) else web.json_response(made)

    def _completion(self, asked: dict[str, Any]) -> bytes:
        return super()._completion({"seed": 0} | asked)


class Refusing(Scripted):
    """Refuses calls that have something, with a body of the server's own shape."""

    def __init__(self, has: Callable[[dict[str, Any]], bool], said: Any, code: int = 400) -> None:
        super().__init__()
        self.has, self.said, self.code = has, said, code
        self.refusals = 0

    async def _respond(self, request: web.Request, body: bytes, digest: str) -> web.StreamResponse:
        if self.has(asked := json.loads(body)):
            self.refusals += 1
            self.bodies.append(asked)
            return web.json_response(self.said, status=self.code)
        return await super()._respond(request, body, digest)


def refusal(code: int, content: Any, **headers: str) -> Callable[[web.Request], web.Response]:
    return lambda _: web.json_response(content, status=code, headers=headers)


def status(number: int, message: str = "no", **error: Any) -> Callable[[web.Request], web.Response]:
    return refusal(number, {"error": {"message": message, **error}})


def choice(**content: Any) -> dict[str, Any]:
    """Return the reply with one choice."""
    return {"choices": [{"finish_reason": "stop"} | content]}


def reply(content: Any, **more: Any) -> dict[str, Any]:
    return choice(message={"content": content}, **more)
