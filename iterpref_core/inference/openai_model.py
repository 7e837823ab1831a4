"""OpenAI-API model: calls to a server; those that fail are asked again by the client of package `openai`."""

import asyncio
import ipaddress
import os
from collections import Counter
from collections.abc import AsyncGenerator
from typing import Annotated, Any
from urllib.parse import urlsplit

import httpx2
import openai
from pydantic import BaseModel, Field, ValidationError

from iterpref_core.config import KEY_VARIABLE, InferenceParams
from iterpref_core.errors import ConfigError, EndpointError, InputError, RefusedError, first_line
from iterpref_core.inference.backend import Completion, Request, Sampling, ServedModel

REFUSALS_IN_A_ROW = 20
"""So many prompts refused before any is answered: it is not the prompts."""
CHARACTERS_PER_TOKEN = 3
"""By which tokens are estimated where a server does not count them."""


class _Message(BaseModel):
    content: str | None = None


class _Choice(BaseModel):
    message: _Message = _Message()
    text: str | None = None
    finish_reason: str | None = None


class _Usage(BaseModel):
    prompt_tokens: Annotated[int, Field(ge=0)]
    completion_tokens: Annotated[int, Field(ge=0)]


class _Reply(BaseModel):
    """What is read of an answer; everything else in it is left alone."""

    choices: Annotated[list[_Choice], Field(min_length=1)]
    usage: _Usage | None = None


class _Client(openai.DefaultAsyncHttpxClient):
    """Counts calls that fail, by kind, and has one asked again whose answer is no JSON, or without choices."""

    def __init__(self, faults: Counter[str], **options: Any) -> None:
        super().__init__(**options)
        self._faults = faults

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        try:
            response = await super().send(request, **options)
        except httpx2.TransportError as error:
            self._faults["timeout" if isinstance(error, httpx2.TimeoutException) else "connection"] += 1
            raise
        if response.status_code == 429:
            self._faults["rate_limited"] += 1
        elif response.is_server_error:
            self._faults["server_error"] += 1
        elif response.is_success:
            try:
                _Reply.model_validate_json(response.content)
            except ValidationError as error:
                self._faults["malformed"] += 1
                raise httpx2.RemoteProtocolError(f"an answer that cannot be read: {first_line(error)}") from None
        return response


class OpenAIModel(ServedModel):
    """A model behind an endpoint.

    Args:
        name: under which it is served.
        inference: where, by which API, how long a call may take, and how often it is attempted. `chat`: the server puts
            the prompt into the model's chat template; `completions`: the prompt and a newline. A verbatim request goes
            to the latter as it is.
        concurrency: prompts that `generate` asks at once.
        faults: grows by failed calls: `timeout`, `connection` (none came about, or it ended before the answer did),
            `rate_limited`, `server_error`, `malformed`, and `refused` (prompts that are not answered).

    Raises:
        ConfigError: the URL or the key cannot be used.
    """

    def __init__(
        self, name: str, inference: InferenceParams, concurrency: int, faults: Counter[str] | None = None
    ) -> None:
        self.name, self.base_url, self.concurrency = name, endpoint_url(inference), concurrency
        self.faults = Counter[str]() if faults is None else faults
        self._api, self._timeout_s, self._attempts = inference.api, inference.timeout_s, inference.attempts
        # The name that every compatible server knows. OpenAI's reasoning models take only the newer one, and say so.
        self._limit = "max_tokens"
        self._answered = self._refused = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        read_key(self.base_url)  # a missing key is told before anything is done

    async def answer(self, request: Request, sampling: Sampling) -> Completion:
        """Answer one request.

        Raises:
            RefusedError: the server will not answer this prompt.
            InputError: it will answer none, because of the key, the model's name or a parameter.
            EndpointError: it could not be had with any of the attempts.
        """
        if self._loop is not (loop := asyncio.get_running_loop()):
            self._loop, self._clients = loop, self._open()
        client, limit = await anext(self._clients), self._limit
        asked: dict[str, Any] = {"model": self.name, "temperature": sampling.temperature, "seed": request.seed}
        asked |= {limit: sampling.max_new_tokens} | ({"stop": list(sampling.stops)} if sampling.stops else {})
        path = "/chat/completions" if self._api == "chat" and not request.verbatim else "/completions"
        if path == "/completions":
            asked["prompt"] = request.prompt + "\n" * (not request.verbatim)
        else:
            system = [{"role": "system", "content": request.system}] * bool(request.system)
            asked["messages"] = [*system, {"role": "user", "content": request.prompt}]
        try:
            response = await client.post(path, cast_to=httpx2.Response, body=asked)
        except openai.APIConnectionError as error:
            failure: Exception = self._unavailable(first_line(error.__cause__ or error))
        except openai.APIStatusError as error:
            if limit == "max_tokens" and "max_completion_tokens" in error.message:
                self._limit = "max_completion_tokens"
                return await self.answer(request, sampling)
            failure = self._judge(error)
        else:
            self._answered += 1
            return _completion(_Reply.model_validate_json(response.content), request)
        raise failure  # outside of the handlers, so that no request with its headers hangs on it

    async def _open(self) -> AsyncGenerator[openai.AsyncOpenAI, None]:
        """The client of the running event loop, which ends this generator, and so the connections, when it ends."""
        http_client = _Client(
            self.faults,
            follow_redirects=False,  # prompts go to the place that was named, and to no other
            trust_env=not is_loopback(self.base_url),  # a proxy does not lead to this machine
        )
        async with openai.AsyncOpenAI(
            api_key=read_key(self.base_url),
            base_url=self.base_url,
            timeout=self._timeout_s,
            max_retries=self._attempts - 1,
            http_client=http_client,
        ) as client:
            while True:
                yield client

    def _judge(self, error: openai.APIStatusError) -> Exception:
        """What an answer with an error status means for the run."""
        status, said = error.status_code, f"{error.status_code} {_redacted(error.message)}"
        if status in {402, 408, 409, 429} or status >= 500:
            return self._unavailable(said)
        where = f"{self.base_url}: model {self.name!r}"
        if status in {400, 413, 422}:
            self.faults["refused"] += 1
            self._refused += 1
            if self._answered or self._refused < REFUSALS_IN_A_ROW:
                return RefusedError(f"{where} will not answer a prompt: {said}")
            where += f" refused all of its first {self._refused} prompts"
        return InputError(
            f"{where}: {said}; check the key in the environment variable {KEY_VARIABLE} and, in params.yaml, "
            "inference.base_url, inference.api, the model's name and the sampling parameters"
        )

    def _unavailable(self, said: str) -> EndpointError:
        return EndpointError(
            f"{self.base_url}: model {self.name!r}: a call failed for good, or {self._attempts} times: {said}; "
            "everything received is kept: check server, limits and credit, then run the same command again to continue"
        )


def _completion(reply: _Reply, request: Request) -> Completion:
    choice = reply.choices[0]
    text = choice.message.content or choice.text or ""
    usage = reply.usage or _Usage(
        prompt_tokens=1 + len(request.prompt) // CHARACTERS_PER_TOKEN,
        completion_tokens=1 + len(text) // CHARACTERS_PER_TOKEN,
    )
    # What a filter cuts short is as final as what the length limit does.
    truncated = choice.finish_reason in {"length", "content_filter"}
    return Completion(text, usage.prompt_tokens, usage.completion_tokens, truncated)


def endpoint_url(inference: InferenceParams) -> str:
    """The URL of an endpoint; that there is no secret in it was seen to when the parameters were read.

    Raises:
        ConfigError: there is none, or it is no URL.
    """
    parts = urlsplit(inference.base_url or "")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigError(
            f"inference.base_url: backend {inference.backend} needs the URL of an endpoint, such as "
            f"https://api.openai.com/v1 (got {inference.base_url!r})"
        )
    return str(inference.base_url).rstrip("/")


def read_key(base_url: str) -> str:
    """The key from the environment; a server on this machine needs none.

    Raises:
        ConfigError: there is none, or it cannot stand in a header. The message does not show it.
    """
    key = os.environ.get(KEY_VARIABLE, "").strip()
    if not key and is_loopback(base_url):
        return "none"
    if not (key and key.isascii() and key.isprintable()):
        raise ConfigError(f"{base_url}: needs a key, and nothing else, in the environment variable {KEY_VARIABLE}")
    return key


def is_loopback(base_url: str) -> bool:
    """Whether a server is on this machine."""
    host = urlsplit(base_url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _redacted(text: str) -> str:
    """What a server said, on one line, without the key, which some servers repeat."""
    key = os.environ.get(KEY_VARIABLE, "").strip()
    shown = " ".join((text.replace(key, "[key]") if key else text).split())
    return shown if len(shown) <= 300 else shown[:300] + "…"
