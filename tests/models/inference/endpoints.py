"""Endpoints that answer by a script, and models that ask them."""

import asyncio
import json
from pathlib import Path

from aiohttp import web

from iterpref_core.models.inference.backend import Request, Sampling
from iterpref_core.models.inference.openai_model import OpenAIModel
from iterpref_core.records import InferenceParams, read_yaml
from tests.mock_endpoint import Behavior, MockEndpoint
from tests.settings import section

REPLIES = read_yaml(Path(__file__).with_name("replies.yaml"))
SAMPLING = Sampling(temperature=0.5, max_new_tokens=20)


def opened(url, **values):
    settings = {"api": "chat", "timeout_s": 20.0, "concurrency": 8} | values
    return OpenAIModel("some-model", section(InferenceParams, backend="openai", base_url=url, **settings))


def one(backend, prompt="a prompt", seed=3, sampling=SAMPLING, **more):
    return asyncio.run(backend.answer(Request(prompt, seed, **more), sampling))


def many(count):
    return [Request(f"prompt {number}", number) for number in range(count)]


def echo(prompt, seed):
    return f"{prompt} with {seed}"


class Scripted(MockEndpoint):
    """Answers with what the script says, call by call, and as an endpoint should when it is at its end.

    The script has streams as text or bytes, contents of JSON, pairs of a status and such a content, and functions from
    a request to a response.
    """

    def __init__(self, *script):
        super().__init__(echo, Behavior())
        self.script, self.bodies = list(script), []

    async def _respond(self, request, body, digest):
        self.bodies.append(json.loads(body))
        if not self.script:
            return await super()._respond(request, body, digest)
        made = self.script.pop(0)
        if callable(made):
            return made(request)
        if isinstance(made, str | bytes):
            return web.Response(body=made, content_type="text/event-stream")
        code, content = made if made and isinstance(made, list) else (200, made)
        return web.json_response(content, status=code)

    def _completion(self, asked):
        return super()._completion({"seed": 0} | asked)


class Refusing(Scripted):
    """Refuses calls that have something, with a body of the server's own shape."""

    def __init__(self, has, said, code=400):
        super().__init__()
        self.has, self.said, self.code = has, said, code
        self.refusals = self.first_answer = 0

    async def _respond(self, request, body, digest):
        if self.has(asked := json.loads(body)):
            self.refusals += 1
            self.bodies.append(asked)
            return web.json_response(self.said, status=self.code)
        self.first_answer = self.first_answer or len(self.bodies) + 1
        return await super()._respond(request, body, digest)


def choice(**content):
    """Return the reply with one choice."""
    return {"choices": [{"finish_reason": "stop"} | content]}


def reply(content, **more):
    return choice(message={"content": content}, **more)
