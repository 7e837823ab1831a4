"""OpenAI-API calls: single ones, and what can come of them."""

import asyncio
import ipaddress
import math
import os
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import httpx2
import openai
from pydantic import BaseModel, Field, ValidationError

from iterpref_core.config import KEY_VARIABLE, Api, refuse_secrets
from iterpref_core.errors import ConfigError, EndpointError, InputError, RefusedError
from iterpref_core.inference.backend import CallError, Completion, Request, Sampling
from iterpref_core.inference.concurrent_prompts import ConcurrentEndpoint
from iterpref_core.inference.event_loop_local import PerLoop
from iterpref_core.inference.openai.rate_limits import RateLimiter, seconds_to_pause

LONGEST_PAUSE_S = 900.0
"""A server that asks for a longer one ends the run."""
REFUSALS_IN_A_ROW = 20
"""So many prompts refused before any is answered: it is not the prompts."""
BYTES_PER_TOKEN = 3
"""By which tokens are estimated where a server does not count them."""

_Limit = Literal["max_tokens", "max_completion_tokens"]
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


class OpenAICalls(ConcurrentEndpoint):
    """Asks once, and says what came of it.

    Args:
        model: the name it is served under.
        base_url: where, up to and including the version: `https://api.openai.com/v1`.
        api: `chat`: the server puts the prompt into the model's chat template; `completions`: the prompt and a newline.
            A verbatim request goes to the latter as it is.
        timeout_s: real seconds that a call may take, from the first byte sent to the last one received.
        concurrency: calls at once; it is for the caller to keep to it.
        gate: what the server says about its pace goes here.

    Raises:
        ConfigError: the URL or the key cannot be used.
    """

    def __init__(
        self, model: str, base_url: str, *, api: Api, timeout_s: float, concurrency: int, gate: RateLimiter
    ) -> None:
        self.model, self.base_url = model, check_base_url(base_url)
        self._api, self._timeout_s, self._gate = api, timeout_s, gate
        self.concurrency = concurrency
        self._clients = PerLoop(self._connect, openai.AsyncOpenAI.close)
        # The name that every compatible server knows. OpenAI's reasoning models take only the newer one, and say so.
        self._limit: _Limit = "max_tokens"
        self._answered = self._refused = 0
        read_key(base_url)  # a missing key is told before anything is done

    def _connect(self) -> openai.AsyncOpenAI:
        return openai.AsyncOpenAI(
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

    async def answer(self, request: Request, sampling: Sampling) -> Completion:
        """Answer one request, with one call.

        Raises:
            CallError: another call may succeed.
            RefusedError: the server will not answer this prompt.
            InputError: it will answer none, because of the key, the model's name or a parameter.
            EndpointError: it will answer none for a long time.
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
                return await self.answer(request, sampling)
            failure = self._judge(error, request, sampling)
        else:
            return self._read(response, request)
        raise failure  # outside of the handlers, so that no request with its headers hangs on it

    async def _send(self, request: Request, sampling: Sampling, limit: _Limit) -> httpx2.Response:
        client = await self._clients.get()
        settings: dict[str, Any] = {
            "model": self.model,
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
        path = "/chat/completions" if chat else "/completions"
        return await client.post(path, cast_to=httpx2.Response, body=settings)

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
        usage = usage or _Usage(prompt_tokens=guess_tokens(request.prompt), completion_tokens=guess_tokens(text))
        self._pause(response, usage.prompt_tokens + usage.completion_tokens)
        self._answered += 1
        # What a filter cuts short is as final as what the length limit does.
        truncated = choice.finish_reason in {"length", "content_filter"}
        return Completion(text, usage.prompt_tokens, usage.completion_tokens, truncated)

    def _pause(self, response: httpx2.Response, tokens: int) -> None:
        seconds = seconds_to_pause(response.headers, tokens)
        if seconds > LONGEST_PAUSE_S:
            if response.is_success:
                return  # this answer counts; the next call will be told
            raise EndpointError(
                f"{self.base_url}: asks for a pause of {seconds / 60:.0f} minutes; everything received is kept: run "
                "the same command again after that"
            )
        self._gate.close_for(seconds)

    def _judge(self, error: openai.APIStatusError, request: Request, sampling: Sampling) -> Exception:
        """What an answer with an error status means for the run."""
        status, code = error.status_code, error.code or ""
        said = f"{status} {_redacted(error.message)}"
        if status == 402 or code in _NO_QUOTA:
            return EndpointError(
                f"{self.base_url}: there is no credit left ({said}); everything received is kept: add some and run the "
                "same command again"
            )
        if status in {408, 409, 425, 429} or status >= 500:
            try:
                self._pause(error.response, guess_tokens(request.prompt) + sampling.max_new_tokens)
            except EndpointError as pause:
                return pause
            return CallError("rate_limited" if status == 429 else "server_error", said)
        if status not in {400, 413, 422} or code in _BAD_PARAMETER:
            return InputError(f"{self.base_url}: model {self.model!r}: {said}; {_remedy(status)}")
        self._refused += 1
        if not self._answered and self._refused >= REFUSALS_IN_A_ROW:
            return InputError(
                f"{self.base_url}: model {self.model!r} refused all of its first {self._refused} prompts, the last one "
                f"with: {said}; correct the model's name or the sampling parameters in params.yaml"
            )
        return RefusedError(f"{self.base_url}: model {self.model!r} will not answer a prompt: {said}")


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


def guess_tokens(text: str) -> int:
    """About how many tokens a text has, where the server does not say."""
    return math.ceil(len(text.encode()) / BYTES_PER_TOKEN)


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
