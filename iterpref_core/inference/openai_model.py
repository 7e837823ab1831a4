"""OpenAI-API model: calls to a server, repeated where they fail, in the way that the server accepts."""

import asyncio
import logging
import os
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx2
import openai

from iterpref_core.config import KEY_VARIABLE, InferenceParams
from iterpref_core.errors import EndpointError, InputError, RefusedError, UnansweredError, first_line
from iterpref_core.inference.backend import Completion, Request, Sampling, ServedModel, before_stop
from iterpref_core.inference.endpoint import connection_options, endpoint_url, read_key
from iterpref_core.inference.pacing import Pacing
from iterpref_core.inference.refused_parameters import NOTES, adapt, refused_parameter, set_parameter
from iterpref_core.inference.replies import BrokenOffError, Reply, read_reply
from iterpref_core.prompt_messages import chat_messages, prompt_text, whole_characters

logger = logging.getLogger(__name__)

if TYPE_CHECKING:
    from iterpref_core.inference.served_tokens import ServedTokens

REFUSALS_IN_A_ROW = 20
"""So many prompts refused before any is answered: it is not the prompts."""

_REFUSALS = {400, 413, 422}
"""Status codes by which a server refuses a prompt, or a parameter."""
_REPEATED = {408, 409, 429}
"""Status codes, besides those of a server's own errors, after which a call is repeated."""
_FIRST_CALL_S = 2.0
"""Seconds for which other calls wait for the end of the first one."""


class _FailedCallError(Exception):
    """A call without an answer that is worth another attempt.

    Args:
        kind: the name under which the failure is counted.
        said: the reason.
        retry_after: the server's header of this name.
    """

    def __init__(self, kind: str, said: str, retry_after: str | None = None) -> None:
        super().__init__(said)
        self.kind = kind
        self.retry_after = retry_after


class OpenAIModel(ServedModel):
    """A model behind an endpoint.

    Attributes:
        refused: names of `refused_parameters.NOTES`: what the server was found to refuse.

    Args:
        name: the name under which the model is served.
        inference: the URL, the API, the pace, the seconds of a call, its attempts and parameters. `chat`: the server
            puts the prompt into the model's chat template. `completions`: it gets the prompt and a newline. A raw
            request goes to the latter as it is.
        concurrency: prompts that `generate` asks at once.
        refused: what the server is known to refuse.
        tokens: for a server of this project's own: prompts are sent as token ids, and the server has nothing to add.
        faults: grows by failed calls: `timeout`, `connection` (none came about, or it ended before the answer did),
            `rate_limited`, `server_error`, `malformed`, `broken_off` (the server says that its answer is none), and by
            `refused` (prompts that are not answered) and `tool_calls` (answers that are calls of tools).

    Raises:
        ConfigError: the URL, the key, the proxy or the certificates cannot be used.
    """

    def __init__(
        self,
        name: str,
        inference: InferenceParams,
        concurrency: int,
        faults: Counter[str] | None = None,
        tokens: "ServedTokens | None" = None,
        *,
        refused: frozenset[str] = frozenset(),
    ) -> None:
        self.name = name
        self.base_url = endpoint_url(inference)
        self.concurrency = concurrency
        self.faults = Counter[str]() if faults is None else faults
        self._tokens = tokens
        self.refused = refused
        self._api = inference.api
        self._timeout_s = inference.timeout_s
        self._attempts = inference.attempts
        # A server of this project's own is asked as a model in this process is.
        self._fields = {} if tokens else inference.request_fields
        self._pacing = Pacing(self.base_url, inference.requests_per_minute, inference.max_wait_s)
        self._answered = self._refused_prompts = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._first: asyncio.Event | None = None
        read_key(self.base_url)  # a missing key is told before anything is done, and so is what cannot connect
        connection_options(self.base_url)

    async def answer(self, request: Request, sampling: Sampling) -> Completion:
        """Answer one request. The answer ends before the first end string, also where the server ignores them.

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
            await asyncio.wait_for(self._first.wait(), _FIRST_CALL_S)
        return await self._ask(request, sampling)

    async def _ask(self, request: Request, sampling: Sampling) -> Completion:
        refused = self.refused
        attempt = 1
        while True:
            path, body = self._call(request, sampling)
            body = adapt(body, refused)
            await self._pacing.turn()
            try:
                reply = await self._post(path, body, request)
            except _FailedCallError as error:
                self.faults[error.kind] += 1
                if attempt == self._attempts:
                    failure: Exception = self._unavailable(str(error))
                    break
                if error.kind == "rate_limited" or error.retry_after is not None:
                    self._pacing.slow_down(attempt, error.retry_after)
                else:
                    await self._pacing.after_failure(attempt)
                attempt += 1
            except openai.APIStatusError as error:
                name = self._refused_name(error, body)
                if name is None:
                    failure = self._failure_of(error)
                    break
                refused |= {name}
            else:
                self._learn(refused)
                return self._read(reply, request, sampling)
        raise failure  # outside of the handlers, so that no request with its headers hangs on it

    async def _post(self, path: str, body: dict[str, Any], request: Request) -> Reply:
        """Make a call once.

        Raises:
            _FailedCallError: there was no answer, and the next attempt may get one.
            openai.APIStatusError: the server will not answer such a call.
        """
        client = await anext(self._clients)
        try:
            response = await client.post(path, cast_to=httpx2.Response, body=body)
            return read_reply(response.content, request)
        except openai.APITimeoutError as error:
            failure = _FailedCallError("timeout", first_line(error.__cause__ or error))
        except openai.APIConnectionError as error:
            failure = _FailedCallError("connection", first_line(error.__cause__ or error))
        except openai.APIStatusError as error:
            status = error.status_code
            if status not in _REPEATED and status < 500:
                raise
            kind = "rate_limited" if status == 429 else "server_error"
            retry_after = error.response.headers.get("retry-after")
            failure = _FailedCallError(kind, f"{status} {_reason(error)}", retry_after)
        except httpx2.TransportError as error:  # the answer ends in its middle
            failure = _FailedCallError("connection", first_line(error))
        except BrokenOffError as error:
            failure = _FailedCallError("broken_off", _redacted(str(error)))
        except ValueError as error:
            failure = _FailedCallError("malformed", f"an answer that cannot be read: {_redacted(str(error))}")
        raise failure

    def _call(self, request: Request, sampling: Sampling) -> tuple[str, dict[str, Any]]:
        """Return the path and the body of a call."""
        asked: dict[str, Any] = {
            **self._fields,
            "model": self.name,
            "seed": request.seed,
            "max_tokens": sampling.max_new_tokens,
            "temperature": sampling.temperature,
        }
        if sampling.stops:
            asked["stop"] = list(sampling.stops)
        if self._tokens is not None:
            return "/completions", asked | self._tokens.body(request, sampling)
        if self._api == "completions" or request.raw:
            asked["prompt"] = whole_characters(prompt_text(request.prompt)) + ("" if request.raw else "\n")
            return "/completions", asked
        messages = chat_messages(request.prompt)
        if request.system:
            messages.insert(0, {"role": "system", "content": request.system})
        for message in messages:
            message["content"] = whole_characters(message["content"])
        asked["messages"] = messages
        return "/chat/completions", asked

    def _read(self, reply: Reply, request: Request, sampling: Sampling) -> Completion:
        """Return the answer of a reply, up to its end string. One that is cut behind that string is whole."""
        self._answered += 1
        if reply.calls_tools:
            if not self.faults["tool_calls"]:
                logger.warning(
                    "model %r calls a tool in place of an answer, and no tool is offered: such answers are empty",
                    self.name,
                )
            self.faults["tool_calls"] += 1
        answer = reply.answer
        text = answer.text if self._tokens is None else self._tokens.read(answer.text, request)
        kept = before_stop(text, sampling.stops)
        return replace(answer, text=kept, truncated=answer.truncated and kept == text)

    def _refused_name(self, error: openai.APIStatusError, body: dict[str, Any]) -> str | None:
        """Return the name of a parameter that an error refuses, and that this call had; None if there is none."""
        if error.status_code not in _REFUSALS or self._tokens is not None:
            return None
        if set_parameter(error.response.text, self._fields):
            return None
        return refused_parameter(error.response.text, body)

    def _learn(self, refused: frozenset[str]) -> None:
        """Ask all further calls as the one that was answered."""
        for name in sorted(refused - self.refused):
            if NOTES[name]:
                logger.warning("model %r refuses the usual call, and is asked otherwise: %s", self.name, NOTES[name])
        self.refused |= refused

    async def _open(self) -> AsyncGenerator[openai.AsyncOpenAI, None]:
        """Yield the client of the running event loop. The loop ends this generator, and so the connections."""
        async with openai.AsyncOpenAI(
            api_key=read_key(self.base_url),
            base_url=self.base_url,
            timeout=self._timeout_s,
            max_retries=0,
            http_client=openai.DefaultAsyncHttpxClient(**connection_options(self.base_url)),
        ) as client:
            while True:
                yield client

    def _failure_of(self, error: openai.APIStatusError) -> Exception:
        """Return the error that the run ends with, or that this prompt is refused with."""
        status = error.status_code
        said = f"{status} {_reason(error)}"
        if status == 402:
            return self._unavailable(said)
        where = f"{self.base_url}: model {self.name!r}"
        if status in _REFUSALS:
            field = set_parameter(error.response.text, self._fields)
            if field is not None and not self._answered:
                return InputError(f"{where} refuses {field}: {said}; change inference.{field} or inference.extra_body")
            self.faults["refused"] += 1
            self._refused_prompts += 1
            if self._answered or self._refused_prompts < REFUSALS_IN_A_ROW:
                return RefusedError(f"{where} will not answer a prompt: {said}")
            where += f" refused all of its first {self._refused_prompts} prompts"
        kind = UnansweredError if status in _REFUSALS else InputError
        return kind(
            f"{where}: {said}; check the key in the environment variable {KEY_VARIABLE} and, in params.yaml, "
            "inference.base_url, inference.api, the model's name and the sampling parameters"
        )

    def _unavailable(self, said: str) -> EndpointError:
        return EndpointError(
            f"{self.base_url}: model {self.name!r}: a call failed for good, or {self._attempts} times: {said}; "
            "everything received is kept: check server, limits and credit, then run the same command again to continue"
        )


def _reason(error: openai.APIStatusError) -> str:
    """Return a server's reason: OpenAI's message, or the body as it came, whatever its shape."""
    body = error.body
    message = body.get("message") if isinstance(body, dict) else None
    return _redacted(message if isinstance(message, str) else error.response.text)


def _redacted(text: str) -> str:
    """Return a server's message on one line, without the key, which some servers repeat."""
    key = os.environ.get(KEY_VARIABLE, "").strip()
    if key:
        text = text.replace(key, "[key]")
    on_one_line = " ".join(text.split())
    if len(on_one_line) <= 300:
        return on_one_line
    return on_one_line[:300] + "…"
