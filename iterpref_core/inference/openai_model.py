"""OpenAI-API model: calls to a server, retried with growing pauses, all of them held back when it asks for that."""

import asyncio
import ipaddress
import math
import os
import random
import time
from collections import Counter
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import httpx2
import openai
from pydantic import BaseModel, Field, ValidationError

from iterpref_core.config import KEY_VARIABLE, Api, refuse_secrets
from iterpref_core.errors import ConfigError, EndpointError, InputError, RefusedError
from iterpref_core.inference.backend import CallError, Completion, Request, Sampling, ServedModel

FIRST_CONTACTS = 3
"""Attempts to reach a server that has not answered anything yet: its address may be wrong."""
LONGEST_BACK_OFF_S = 60.0
LONGEST_PAUSE_S = 900.0
"""A server that asks for a longer one ends the run."""
REFUSALS_IN_A_ROW = 20
"""So many prompts refused before any is answered: it is not the prompts."""
BYTES_PER_TOKEN = 3
"""By which tokens are estimated where a server does not count them."""

_NO_QUOTA = {"insufficient_quota", "billing_hard_limit_reached"}
_BAD_PARAMETER = {"unsupported_parameter", "unsupported_value", "unknown_parameter"}


class _Message(BaseModel):
    content: str | None = None


class _Choice(BaseModel):
    message: _Message | None = None
    text: str | None = None
    finish_reason: str | None = None


class _Usage(BaseModel):
    prompt_tokens: Annotated[int, Field(ge=0)]
    completion_tokens: Annotated[int, Field(ge=0)]


class _Reply(BaseModel):
    """What is read of an answer; everything else in it is left alone."""

    choices: Annotated[list[_Choice], Field(min_length=1)]
    usage: _Usage | None = None


class OpenAIModel(ServedModel):
    """A model behind an endpoint, which is asked until it answers.

    Args:
        name: under which it is served.
        base_url: where, up to and including the version: `https://api.openai.com/v1`.
        api: `chat`: the server puts the prompt into the model's chat template; `completions`: the prompt and a newline.
            A verbatim request goes to the latter as it is.
        concurrency: connections that are kept open, and prompts that `generate` asks at once.
        timeout_s: real seconds that a call may take, from the first byte sent to the last one received.
        attempts: of one call before the run ends. A 429 is none as long as others are answered.
        faults: grows by failed calls: the kinds of `CallError`, and `refused` (prompts that are not answered).
        back_off_s: the first pause after a fault; it doubles.

    Raises:
        ConfigError: the URL or the key cannot be used.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        *,
        api: Api,
        concurrency: int,
        timeout_s: float,
        attempts: int,
        faults: Counter[str] | None = None,
        back_off_s: float = 1.0,
    ) -> None:
        self.name, self.base_url, self.concurrency = name, check_base_url(base_url), concurrency
        self.faults = Counter[str]() if faults is None else faults
        self._api, self._timeout_s, self._attempts, self._back_off_s = api, timeout_s, attempts, back_off_s
        self._clients: dict[asyncio.AbstractEventLoop, tuple[openai.AsyncOpenAI, AsyncGenerator[None, None]]] = {}
        # The name that every compatible server knows. OpenAI's reasoning models take only the newer one, and say so.
        self._limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
        self._answered = self._refused = 0
        self._opens_at = 0.0
        read_key(base_url)  # a missing key is told before anything is done

    async def answer(self, request: Request, sampling: Sampling) -> Completion:
        """Answer one request.

        Raises:
            RefusedError: the server will not answer this prompt.
            InputError: it will answer none, because of the key, the model's name or a parameter.
            EndpointError: it could not be had with any of the attempts, or will not be for a long time.
        """
        failed, attempts, answered = 0, 0, self._answered
        while True:
            while (rest := self._opens_at - time.monotonic()) > 0:
                await _sleep(rest)
            attempts += 1
            try:
                answer = await self._call(request, sampling)
            except RefusedError:
                self.faults["refused"] += 1
                raise
            except CallError as error:
                fault = error
            else:
                self._answered += 1
                # Where there are end strings, one may stand at the beginning.
                if answer.text.strip() or answer.truncated or sampling.stops:
                    return answer
                fault = CallError("empty", "an answer without text")
            self.faults[fault.kind] += 1
            in_turn = fault.kind == "rate_limited" and self._answered > answered
            failed, answered = failed + (not in_turn), self._answered
            unreachable = fault.kind == "connection" and not self._answered
            if failed >= (min(self._attempts, FIRST_CONTACTS) if unreachable else self._attempts):
                break
            await _sleep(min(self._back_off_s * (2.0 ** (attempts - 1) + random.random()), LONGEST_BACK_OFF_S))
        if fault.kind == "empty":
            return answer
        raise EndpointError(
            f"{self.base_url}: model {self.name!r}: {attempts} attempts of one call failed, the last one with {fault}; "
            "everything received is kept: check the server, then run the same command again to continue"
        )

    async def _call(self, request: Request, sampling: Sampling) -> Completion:
        """Ask once.

        Raises:
            CallError: another call may succeed.
        """
        limit = self._limit
        try:
            async with asyncio.timeout(self._timeout_s):
                response = await self._send(request, sampling, limit)
        except (TimeoutError, openai.APIConnectionError) as error:
            failure: Exception = _connection_fault(error)
        except openai.APIStatusError as error:
            if limit == "max_tokens" and "max_completion_tokens" in error.message:
                self._limit = "max_completion_tokens"
                return await self._call(request, sampling)
            failure = self._judge(error)
        else:
            return self._read(response, request)
        raise failure  # outside of the handlers, so that no request with its headers hangs on it

    async def _send(self, request: Request, sampling: Sampling, limit: str) -> httpx2.Response:
        settings: dict[str, Any] = {
            "model": self.name,
            "temperature": sampling.temperature,
            "seed": request.seed,
            limit: sampling.max_new_tokens,
        }
        chat = self._chats(request)
        if chat:
            system = [{"role": "system", "content": request.system}] * bool(request.system)
            settings["messages"] = [*system, {"role": "user", "content": request.prompt}]
        else:
            settings["prompt"] = request.prompt if request.verbatim else request.prompt + "\n"
        if sampling.stops:
            settings["stop"] = list(sampling.stops)
        # The library's methods by endpoint spend a fifth of a call's CPU time on checking what is sent.
        path, client = "/chat/completions" if chat else "/completions", await self._client()
        return await client.post(path, cast_to=httpx2.Response, body=settings)

    async def _client(self) -> openai.AsyncOpenAI:
        """The connections of the running event loop, which `_close` closes when that ends."""
        loop = asyncio.get_running_loop()
        if loop not in self._clients:
            client = openai.AsyncOpenAI(
                api_key=read_key(self.base_url),
                base_url=self.base_url,
                max_retries=0,
                http_client=openai.DefaultAsyncHttpxClient(
                    timeout=self._timeout_s,
                    limits=httpx2.Limits(max_connections=None, max_keepalive_connections=self.concurrency),
                    follow_redirects=False,  # prompts go to the place that was named, and to no other
                    trust_env=not is_loopback(self.base_url),  # a proxy does not lead to this machine
                ),
            )
            self._clients[loop] = client, self._close(loop)
            await anext(self._clients[loop][1])
        return self._clients[loop][0]

    async def _close(self, loop: asyncio.AbstractEventLoop) -> AsyncGenerator[None, None]:
        # A loop that ends closes its asynchronous generators while it can still run what closing takes.
        try:
            yield
        finally:
            client, _ = self._clients.pop(loop)
            await client.close()

    def _chats(self, request: Request) -> bool:
        return self._api == "chat" and not request.verbatim

    def _read(self, response: httpx2.Response, request: Request) -> Completion:
        try:
            reply = _Reply.model_validate_json(response.content)
        except ValidationError as error:
            reason = error.errors()[0]
            raise CallError("malformed", f"{'.'.join(map(str, reason['loc']))} {reason['msg']}".strip()) from None
        choice, usage = reply.choices[0], reply.usage
        if self._chats(request) and choice.message is None:
            raise CallError("malformed", "a choice without a message")
        text = (choice.message.content if choice.message else choice.text) or ""
        usage = usage or _Usage(prompt_tokens=_guess_tokens(request.prompt), completion_tokens=_guess_tokens(text))
        # What a filter cuts short is as final as what the length limit does.
        truncated = choice.finish_reason in {"length", "content_filter"}
        return Completion(text, usage.prompt_tokens, usage.completion_tokens, truncated)

    def _judge(self, error: openai.APIStatusError) -> Exception:
        """What an answer with an error status means for the run."""
        status, code = error.status_code, error.code or ""
        said = f"{status} {_redacted(error.message)}"
        if status == 402 or code in _NO_QUOTA:
            return EndpointError(
                f"{self.base_url}: there is no credit left ({said}); everything received is kept: add some and run the "
                "same command again"
            )
        if status in {408, 409, 425, 429} or status >= 500:
            pause = _retry_after(error.response.headers.get("retry-after", ""))
            if pause > LONGEST_PAUSE_S:
                return EndpointError(
                    f"{self.base_url}: asks for a pause of {pause / 60:.0f} minutes; everything received is kept: run "
                    "the same command again after that"
                )
            self._opens_at = max(self._opens_at, time.monotonic() + pause)
            return CallError("rate_limited" if status == 429 else "server_error", said)
        where = f"{self.base_url}: model {self.name!r}"
        if status not in {400, 413, 422} or code in _BAD_PARAMETER:
            return InputError(f"{where}: {said}; {_remedy(status)}")
        self._refused += 1
        if not self._answered and self._refused >= REFUSALS_IN_A_ROW:
            return InputError(
                f"{where} refused all of its first {self._refused} prompts, the last one with: {said}; correct the "
                "model's name or the sampling parameters in params.yaml"
            )
        return RefusedError(f"{where} will not answer a prompt: {said}")


def check_base_url(base_url: str) -> str:
    """The URL of an endpoint, once it is clear that there is no secret in it: it stands in params.yaml and in reports.

    Raises:
        ConfigError: it is no URL, or has a password or a query.
    """
    parts = urlsplit(refuse_secrets(base_url))
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigError(f"inference.base_url: no URL of an endpoint, such as https://api.openai.com/v1: {base_url!r}")
    return base_url.rstrip("/")


def read_key(base_url: str) -> str:
    """The key from the environment; a server on this machine needs none.

    Raises:
        ConfigError: there is none, or it cannot stand in a header. The message does not show it.
    """
    key = os.environ.get(KEY_VARIABLE, "").strip()
    if not key and is_loopback(base_url):
        return "none"
    if not key:
        raise ConfigError(f"{base_url}: needs a key; put it into the environment variable {KEY_VARIABLE}")
    if not (key.isascii() and key.isprintable()):
        raise ConfigError(f"the key in {KEY_VARIABLE} has characters that no key has; copy it again")
    return key


def is_loopback(base_url: str) -> bool:
    """Whether a server is on this machine."""
    host = urlsplit(base_url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def _sleep(seconds: float) -> None:
    await asyncio.sleep(seconds)


def _guess_tokens(text: str) -> int:
    return math.ceil(len(text.encode()) / BYTES_PER_TOKEN)


def _retry_after(text: str) -> float:
    """Seconds that a `Retry-After` header asks for (RFC 9110, section 10.2.3); 0 where it does not say."""
    try:
        return max(float(text), 0.0)
    except ValueError:
        pass
    try:
        return max((parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return 0.0


def _redacted(text: str) -> str:
    """What a server said, on one line, without the key, which some servers repeat."""
    key = os.environ.get(KEY_VARIABLE, "").strip()
    shown = " ".join((text.replace(key, "[key]") if key else text).split())
    return shown if len(shown) <= 300 else shown[:300] + "…"


def _remedy(status: int) -> str:
    if status in {401, 403}:
        return f"check the key in the environment variable {KEY_VARIABLE} and what it may be used for"
    if status == 404:
        return "check inference.base_url, and that this model is served there under this name"
    if status == 400:
        return "correct the sampling parameters in params.yaml, or choose another model"
    return "check inference.base_url and inference.api"


def _connection_fault(error: TimeoutError | openai.APIConnectionError) -> CallError:
    cause = error.__cause__
    detail = _redacted(str(cause)) or type(cause or error).__name__
    if isinstance(cause, (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError)):
        return CallError("connection", detail)
    if isinstance(error, (TimeoutError, openai.APITimeoutError)):
        return CallError("timeout", "no answer within inference.timeout_s")
    return CallError("cut", detail)
