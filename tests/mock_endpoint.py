"""Mock endpoint: a server on this machine that speaks the OpenAI API and has no model.

Latencies have a heavy tail, and faults of every kind can be mixed in. Both depend on the request and on how often it
was asked, and on nothing else. Everything is counted, so that a test can tell what was asked twice.
"""

import asyncio
import hashlib
import json
import math
import random
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field

from iterpref_core.records import InferenceParams
from tests.settings import section

FAULTS = ("rate_limited", "server_error", "timeout", "connection", "malformed")
_GARBAGE = ('{"choices": [{"mess', '{"id": "x", "choices": []}', "<html>Bad gateway</html>", "[]")

Answer = Callable[[str, int], str]
"""From prompt and seed to the text that is answered."""


@dataclass(frozen=True)
class Behavior:
    """How the server behaves; the same requests meet the same latencies and faults in every run.

    A latency is log-normal: its median, and sigma of its logarithm (0: always the median).
    """

    median_s: float = 0.0
    sigma: float = 1.0
    faults: dict[str, float] = field(default_factory=dict)
    """Shares of all calls, by the names of `FAULTS`."""
    seed: int = 0

    def draw(self, body, times):
        """Latency in seconds, and fault if any, of a request that is asked for the nth time, from 1."""
        chance = random.Random(hashlib.sha256(b"%d %d " % (self.seed, times) + body).digest())
        latency = self.median_s * math.exp(self.sigma * chance.gauss(0, 1))
        place = chance.random()
        for fault in FAULTS:
            place -= self.faults.get(fault, 0.0)
            if place < 0:
                return latency, fault
        return latency, None


class MockEndpoint:
    """The server's state and handlers; `serve` runs it.

    Args:
        answer: makes the answers.
        behavior: latencies and faults.
    """

    def __init__(self, answer, behavior):
        self._answer, self._behavior = answer, behavior
        self.asked = Counter()
        """Calls by digest of their body."""
        self.answered = Counter()
        """Answers that were sent whole, unless the client was gone, by digest of the body."""
        self.repeated = 0
        """Calls whose body had been answered before."""
        self.faults = Counter()
        self.in_flight = self.most_in_flight = 0

    def app(self):
        """The routes: both APIs, and the list of models."""
        from aiohttp import web

        app = web.Application(client_max_size=1 << 26)
        app.router.add_post("/v1/chat/completions", self._complete)
        app.router.add_post("/v1/completions", self._complete)
        app.router.add_get("/v1/models", self._models)
        return app

    async def _models(self, _):
        from aiohttp import web

        return web.json_response({"object": "list", "data": [{"id": "mock", "object": "model"}]})

    async def _complete(self, request):
        body = await request.read()
        digest = hashlib.sha256(body).hexdigest()
        self.asked[digest] += 1
        self.repeated += digest in self.answered
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            return await self._respond(request, body, digest)
        finally:
            self.in_flight -= 1

    async def _respond(self, request, body, digest):
        from aiohttp import web

        latency, fault = self._behavior.draw(body, self.asked[digest])
        if fault is not None:
            self.faults[fault] += 1
        if fault == "rate_limited":
            return web.json_response(_error("slow down"), status=429, headers={"Retry-After": "0"})
        await asyncio.sleep(latency)
        if fault == "server_error":
            return web.json_response(_error("something broke"), status=500)
        if fault == "timeout":
            await asyncio.sleep(3600)
        if fault == "malformed":
            return web.Response(text=_GARBAGE[int(digest[:4], 16) % len(_GARBAGE)], content_type="application/json")
        content = self._completion(json.loads(body))
        if fault == "connection":  # it ends in the middle
            return await _send_half(request, content)
        response = web.Response(body=content, content_type="application/json")
        if fault is None:
            self.answered[digest] += 1  # before its client can have kept it
            await response.prepare(request)
            await response.write_eof()
        return response

    def _completion(self, asked):
        chat = "messages" in asked
        prompt = asked["messages"][-1]["content"] if chat else asked["prompt"].removesuffix("\n")
        text = self._answer(prompt, asked["seed"])
        choice = {"index": 0, "finish_reason": "stop"}
        choice |= {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
        usage = {"prompt_tokens": len(prompt.split()), "completion_tokens": len(text.split())}
        return json.dumps({"id": "mock", "model": asked["model"], "choices": [choice], "usage": usage}).encode()


def _error(message):
    return {"error": {"message": message, "type": "mock", "param": None, "code": None}}


async def _send_half(request, content):
    from aiohttp import web

    response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(len(content))})
    await response.prepare(request)
    await response.write(content[: len(content) // 2])
    if request.transport is not None:
        request.transport.close()
    return response


@contextmanager
def serve(mock):
    """Serve in a thread, on a free port of 127.0.0.1; yields the base URL, which ends in `/v1`."""
    from aiohttp import web

    loop = asyncio.new_event_loop()
    runner = web.AppRunner(mock.app(), access_log=None, handler_cancellation=True, shutdown_timeout=0.0)
    thread = threading.Thread(target=loop.run_forever, name="mock-endpoint")
    thread.start()
    try:
        yield asyncio.run_coroutine_threadsafe(_start(runner), loop).result()
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _start(runner):
    from aiohttp import web

    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    host, bound = runner.addresses[0][:2]
    return f"http://{host}:{bound}/v1"


def inference_at(url):
    """Return parameters with which the chat API of a server is asked, for nothing."""
    return section(
        InferenceParams,
        backend="openai",
        bf16=False,
        base_url=url,
        api="chat",
        timeout_s=20,
        price_prompt=0,
        price_completion=0,
    )
