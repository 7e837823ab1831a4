"""OpenAI-API model: calls to a server; those that fail are asked again by the client of package `openai`."""

import asyncio
import ipaddress
import logging
import os
import re
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx2
import openai

from iterpref_core.config import KEY_VARIABLE, InferenceParams
from iterpref_core.errors import ConfigError, EndpointError, InputError, RefusedError, first_line
from iterpref_core.inference.backend import Completion, Request, Sampling, ServedModel
from iterpref_core.inference.replies import completion_of, read_reply
from iterpref_core.prompt_messages import chat_messages, prompt_text

logger = logging.getLogger(__name__)

if TYPE_CHECKING:
    from iterpref_core.inference.served_tokens import ServedTokens

REFUSALS_IN_A_ROW = 20
"""So many prompts refused before any is answered: it is not the prompts."""

_REFUSALS = {400, 413, 422}
"""Status codes by which a server refuses a prompt, or a parameter."""
_REFUSAL_S = 2.0
"""Seconds for which other calls wait for the end of the first one."""
_NO_TEMPERATURE = re.compile(
    r"temperature\W[^.]{0,80}(?:support|permitted|allowed|deprecated|only|unknown|unrecognized|must be 1\b)"
    r"|(?:unsupported|unknown|unrecognized|unexpected|extra|only)[^.]{0,80}temperature",
    re.IGNORECASE,
)
"""The message of a server whose model accepts no temperature, or only its own. OpenAI's reasoning models say:
"'temperature' does not support 0.0 with this model. Only the default (1) value is supported"."""


class _Client(openai.DefaultAsyncHttpxClient):
    """An HTTP client that counts failed calls by kind, and has a call repeated whose answer cannot be read."""

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
                read_reply(response.content)
            except ValueError as error:
                self._faults["malformed"] += 1
                raise httpx2.RemoteProtocolError(f"an answer that cannot be read: {error}") from None
        return response


class OpenAIModel(ServedModel):
    """A model behind an endpoint.

    Attributes:
        own_temperature: the model accepts only its own temperature: it has refused another one.

    Args:
        name: the name under which the model is served.
        inference: the URL, the API, the seconds of a call, and its attempts. `chat`: the server puts the prompt into
            the model's chat template. `completions`: it gets the prompt and a newline. A verbatim request goes to the
            latter as it is.
        concurrency: prompts that `generate` asks at once.
        own_temperature: the model is known to accept only its own temperature.
        tokens: for a server of this project's own: prompts are sent as token ids, and the server has nothing to add.
        faults: grows by failed calls: `timeout`, `connection` (none came about, or it ended before the answer did),
            `rate_limited`, `server_error`, `malformed`, and `refused` (prompts that are not answered).

    Raises:
        ConfigError: the URL or the key cannot be used.
    """

    def __init__(
        self,
        name: str,
        inference: InferenceParams,
        concurrency: int,
        faults: Counter[str] | None = None,
        tokens: "ServedTokens | None" = None,
        *,
        own_temperature: bool = False,
    ) -> None:
        self.name = name
        self.base_url = endpoint_url(inference)
        self.concurrency = concurrency
        self.faults = Counter[str]() if faults is None else faults
        self._tokens = tokens
        self.own_temperature = own_temperature
        self._api = inference.api
        self._timeout_s = inference.timeout_s
        self._attempts = inference.attempts
        # The name that every compatible server knows. OpenAI's reasoning models take only the newer one, and say so.
        self._limit = "max_tokens"
        self._answered = self._refused = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._first: asyncio.Event | None = None
        read_key(self.base_url)  # a missing key is told before anything is done

    async def answer(self, request: Request, sampling: Sampling) -> Completion:
        """Answer one request.

        Raises:
            RefusedError: the server will not answer this prompt.
            InputError: the server answers no prompt, because of the key, the model's name or a parameter.
            EndpointError: no attempt got an answer.
        """
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            # Connections belong to the event loop in which they were opened, and each `generate` has a loop of its own.
            self._loop = loop
            self._clients = self._open()
            self._first = None
        if self._answered or self._tokens is not None:
            return await self._ask(request, sampling)
        if self._first is None:
            self._first = asyncio.Event()
            try:
                return await self._ask(request, sampling)
            finally:
                self._first.set()
        # A server refuses a parameter at once. So the first call alone finds out, and not every one in flight.
        with suppress(TimeoutError):
            await asyncio.wait_for(self._first.wait(), _REFUSAL_S)
        return await self._ask(request, sampling)

    async def _ask(self, request: Request, sampling: Sampling) -> Completion:
        client = await anext(self._clients)
        path, asked = self._call(request, sampling)
        try:
            response = await client.post(path, cast_to=httpx2.Response, body=asked)
        except openai.APIConnectionError as error:
            failure: Exception = self._unavailable(first_line(error.__cause__ or error))
        except openai.APIStatusError as error:
            if self._learns(error, asked):
                return await self._ask(request, sampling)
            failure = self._judge(error)
        else:
            self._answered += 1
            answer = completion_of(read_reply(response.content), request)
            if self._tokens is None:
                return answer
            return replace(answer, text=self._tokens.read(answer.text, request))
        raise failure  # outside of the handlers, so that no request with its headers hangs on it

    def _call(self, request: Request, sampling: Sampling) -> tuple[str, dict[str, Any]]:
        """Return the path and the body of a call."""
        asked: dict[str, Any] = {
            "model": self.name,
            "seed": request.seed,
            self._limit: sampling.max_new_tokens,
        }
        if not self.own_temperature:
            asked["temperature"] = sampling.temperature
        if sampling.stops:
            asked["stop"] = list(sampling.stops)
        if self._tokens is not None:
            return "/completions", asked | self._tokens.body(request, sampling)
        if self._api == "completions" or request.verbatim:
            asked["prompt"] = prompt_text(request.prompt) + ("" if request.verbatim else "\n")
            return "/completions", asked
        messages = chat_messages(request.prompt)
        if request.system:
            messages.insert(0, {"role": "system", "content": request.system})
        asked["messages"] = messages
        return "/chat/completions", asked

    def _learns(self, error: openai.APIStatusError, asked: dict[str, Any]) -> bool:
        """Return True if an error names another way to ask, which this call did not use; the next one does."""
        if error.status_code not in _REFUSALS:
            return False
        if "max_tokens" in asked and "max_completion_tokens" in error.message:
            self._limit = "max_completion_tokens"
            return True
        if "temperature" in asked and _NO_TEMPERATURE.search(error.message):
            if not self.own_temperature:
                logger.warning("model %r accepts only its own temperature: it is asked without one", self.name)
            self.own_temperature = True
            return True
        return False

    async def _open(self) -> AsyncGenerator[openai.AsyncOpenAI, None]:
        """Yield the client of the running event loop. The loop ends this generator, and so the connections."""
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
        """Return the error that the run ends with, or that this prompt is refused with."""
        status = error.status_code
        said = f"{status} {_redacted(error.message)}"
        if status in {402, 408, 409, 429} or status >= 500:
            return self._unavailable(said)
        where = f"{self.base_url}: model {self.name!r}"
        if status in _REFUSALS:
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


def endpoint_url(inference: InferenceParams) -> str:
    """Return the URL of an endpoint. It holds no secret: the check of the parameters refuses one.

    Raises:
        ConfigError: the parameter is absent, or no URL.
    """
    parts = urlsplit(inference.base_url or "")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigError(
            f"inference.base_url: backend {inference.backend} needs the URL of an endpoint, such as "
            f"https://api.openai.com/v1 (got {inference.base_url!r})"
        )
    return str(inference.base_url).rstrip("/")


def read_key(base_url: str) -> str:
    """Return the key from the environment; a server on this machine needs none.

    Raises:
        ConfigError: the key is absent, or cannot stand in a header. The message does not show it.
    """
    key = os.environ.get(KEY_VARIABLE, "").strip()
    if not key and is_loopback(base_url):
        return "none"
    if not (key and key.isascii() and key.isprintable()):
        raise ConfigError(f"{base_url}: needs a key, and nothing else, in the environment variable {KEY_VARIABLE}")
    return key


def is_loopback(base_url: str) -> bool:
    """Return True if a server is on this machine."""
    host = urlsplit(base_url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _redacted(text: str) -> str:
    """Return a server's message on one line, without the key, which some servers repeat."""
    key = os.environ.get(KEY_VARIABLE, "").strip()
    if key:
        text = text.replace(key, "[key]")
    on_one_line = " ".join(text.split())
    if len(on_one_line) <= 300:
        return on_one_line
    return on_one_line[:300] + "…"
