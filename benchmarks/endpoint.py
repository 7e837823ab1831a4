"""Calls of an endpoint: `python benchmarks/endpoint.py [--json] [--requests 10000] [--places 8] [--rounds 5]`.

`cpu_ratio` is the CPU time of a request over that of `AsyncOpenAI` with the same body, and no more (the median of
paired rounds). `time_ratio` is the time of all requests at a server that answers `places` of them at a time and refuses
the others (503), over the time that so many places need; `missing` are the prompts without an answer.

The server is a process of its own on this machine, so that its time is not counted.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import platform
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

import openai
from aiohttp import web

from iterpref_core.models.inference.backend import Request, Sampling, ask_all
from iterpref_core.models.inference.openai_model import OpenAIModel
from iterpref_core.records import InferenceParams, load_params

SAMPLING = Sampling(0.0, 128)
ANSWER = "```python\ndef f(x):\n    return x + 1\n```\n"


class Server:
    """A server that answers some calls at a time.

    Args:
        places: calls at a time.
        latency_s: seconds of an answer.
    """

    def __init__(self, places: int, latency_s: float) -> None:
        self._places = places
        self._latency_s = latency_s
        self._taken = 0

    async def answer(self, request: web.Request) -> web.Response:
        """Answer a call, or refuse it."""
        await request.read()
        if self._taken >= self._places:
            return web.json_response({"error": {"message": "server busy"}}, status=503)
        self._taken += 1
        try:
            await asyncio.sleep(self._latency_s)
        finally:
            self._taken -= 1
        message = {"role": "assistant", "content": ANSWER}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = {"prompt_tokens": 20, "completion_tokens": 20, "total_tokens": 40}
        reply = {
            "id": "1",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "choices": [choice],
            "usage": usage,
        }
        return web.json_response(reply)


async def _serve(places: int, latency_s: float, told: Connection) -> None:
    app = web.Application()
    app.router.add_post("/v1/chat/completions", Server(places, latency_s).answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    told.send(runner.addresses[0][1])
    await asyncio.Event().wait()


def _run_server(places: int, latency_s: float, told: Connection) -> None:
    asyncio.run(_serve(places, latency_s, told))


@contextmanager
def serving(places: int, latency_s: float) -> Iterator[str]:
    """Serve in a process of its own; yields the base URL."""
    heard, told = multiprocessing.Pipe(duplex=False)
    server = multiprocessing.Process(target=_run_server, args=(places, latency_s, told), daemon=True)
    server.start()
    try:
        yield f"http://127.0.0.1:{heard.recv()}/v1"
    finally:
        server.terminate()
        server.join()


def _inference(url: str, concurrency: int) -> InferenceParams:
    values = {"backend": "openai", "base_url": url, "concurrency": concurrency}
    return load_params().inference.model_copy(update=values)


def _requests(count: int) -> list[Request]:
    return [Request(f"Write f, which adds one to x ({number}).", number) for number in range(count)]


def _ours(url: str, count: int) -> float:
    """Return the CPU seconds of so many requests."""
    model = OpenAIModel("m", _inference(url, 16))
    began = time.process_time()
    answers = ask_all(model, _requests(count), SAMPLING)
    spent = time.process_time() - began
    assert all(answer.text == ANSWER for answer in answers)
    return spent


def _plain(url: str, count: int) -> float:
    """Return the CPU seconds of so many requests by the library alone."""

    async def ask_in_turn(client: openai.AsyncOpenAI, waiting: Iterator[Request]) -> None:
        for request in waiting:
            reply = await client.chat.completions.create(
                model="m",
                messages=[{"role": "user", "content": str(request.prompt)}],
                seed=request.seed,
                max_tokens=SAMPLING.max_new_tokens,
                temperature=SAMPLING.temperature,
            )
            assert reply.choices[0].message.content == ANSWER

    async def ask() -> None:
        async with openai.AsyncOpenAI(api_key="none", base_url=url) as client:
            waiting = iter(_requests(count))
            await asyncio.gather(*[ask_in_turn(client, waiting) for _ in range(16)])

    began = time.process_time()
    asyncio.run(ask())
    return time.process_time() - began


def measure(requests: int, places: int, rounds: int, latency_s: float = 0.05) -> dict[str, object]:
    """Measure the CPU time of a request, and the time of all requests at a busy server."""
    load = os.getloadavg()[0]
    each = max(1, requests // 20)
    ratios = []
    with serving(1000, 0.0) as url:
        _ours(url, 8)
        _plain(url, 8)
        for _ in range(rounds):
            ratios.append(_ours(url, each) / _plain(url, each))
    with serving(places, latency_s) as url:
        model = OpenAIModel("m", _inference(url, 64))
        began = time.monotonic()
        answers = ask_all(model, _requests(requests), SAMPLING)
        taken = time.monotonic() - began
    return {
        "cpu_ratio": statistics.median(ratios),
        "cpu_ratios": [min(ratios), max(ratios)],
        "time_ratio": taken / (requests * latency_s / places),
        "missing": sum(bool(answer.missing) for answer in answers),
        "requests": requests,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "load": load,
    }


def main() -> None:
    """Run the benchmark and print its numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--places", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    result = measure(arguments.requests, arguments.places, arguments.rounds)
    if arguments.json:
        print(json.dumps({"endpoint": result}, indent=2))
        return
    for name, value in result.items():
        print(f"{name}: {value}")


if __name__ == "__main__":
    main()
