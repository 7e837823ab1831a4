"""Call a server of OpenAI's API in a form that the server accepts, and repeat failed calls."""

import asyncio
import logging
import os
import re
from collections.abc import AsyncGenerator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import httpx2
import openai

from iterpref_core.records import (
    KEY_VARIABLE,
    EndpointError,
    InferenceParams,
    InputError,
    chat_messages,
    first_line,
    prompt_text,
    whole_characters,
)

from ..pretrained.checkpoints import served_name
from .adaptations import adapt, notes_of, set_parameter, suggest
from .backend import BackendSettings, Completion, Model, Request, Sampling, before_stop
from .endpoint import address_and_query, connection_options, endpoint_url, read_key
from .ends import FINISHED
from .faults import Fault, fault_of
from .pacing import Pacing, seconds_to_wait
from .replies import Reply, ReplyError, read_reply

logger = logging.getLogger(__name__)

if TYPE_CHECKING:
    from .served_tokens import ServedTokens

_REMEDY = (
    "if its reasoning is cut, raise max_new_tokens; else serve it without a reasoning parser (llama.cpp: "
    "--reasoning-format none), or set inference.extra_body: {chat_template_kwargs: {enable_thinking: false}}"
)
SHORT_KEY = 8
"""A key of fewer characters, such as "x" for a local server, is no secret."""
ATTEMPTS = 10
"""Attempts for one call, with growing pauses; of a busy server, refusals without a success of any call."""
REFUSALS = 100
"""Refusals of one call by a server that is busy for this call alone."""


class OpenAIModel(Model):
    """A model at an endpoint.

    Attributes:
        adapted: names of `adaptations.ADAPTATIONS`: how the server is asked after a refusal.

    Args:
        name: the model's name on the server.
        inference: the URL, the API, the pace, the calls in flight, the seconds of a call and its parameters. `chat`:
            the server puts the prompt into the model's chat template. `completions`: it gets the prompt and a newline.
            A raw request goes to the latter as it is.
        tokens: for a server of this project's own: prompts are sent as token ids, and the server adds no tokens.
        adapted: how the server is known to have to be asked.

    Raises:
        ConfigError: the URL, the key, the proxy or the certificates cannot be used.
    """

    def __init__(
        self,
        name: str,
        inference: InferenceParams,
        tokens: "ServedTokens | None" = None,
        *,
        adapted: frozenset[str] = frozenset(),
    ) -> None:
        self.name = name
        self.base_url = endpoint_url(inference)
        self.concurrency = inference.concurrency
        self._tokens = tokens
        self.adapted = adapted
        self._api = inference.api
        self._timeout_s = inference.timeout_s
        # A server of this project's own is asked as a model in this process is.
        self._fields = {} if tokens else inference.request_fields
        self._pacing = Pacing(self.base_url, inference.requests_per_minute, inference.concurrency)
        self._answered = False
        self._said: set[str] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        # A missing key or bad address is an error before any work.
        read_key(self.base_url)
        connection_options(self.base_url)

    async def answer(self, request: Request, sampling: Sampling) -> Completion:
        """Answer one request. The answer ends before the first end string, also where the server ignores them.

        Raises:
            InputError: the server answers no prompt, because of the key, the model's name or a parameter.
            EndpointError: the server cannot be reached, or the credit is used up.
        """
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            # Connections belong to the event loop that opened them, and each `ask_all` has a loop of its own.
            self._loop = loop
            self._clients = self._open()
        # A call is adapted anew after each refusal.
        path, usual = self._call(request, sampling)
        adapted = self.adapted
        tries = _Tries()
        while True:
            body = adapt(usual, adapted)
            outcome = await self._try(path, body, request, sampling, tries)
            # An answer confirms the adaptations of its call.
            if isinstance(outcome, Reply):
                self._learn(adapted)
                return tries.priced(self._read(outcome, body, request, sampling))
            is_refused = outcome.then in ("give up the prompt", "repeat once")
            # An address that has answered may do so again.
            may_pass = outcome.then == "repeat once" or (outcome.then == "end the run" and self._answered)
            # A refusal that repeats the request names all its parts, so its words do not show which part is wrong.
            is_echo = outcome.then == "repeat once" and prompt_text(request.prompt).split("\n")[0][:50] in outcome.text
            is_trusted = is_refused and (tries.repeated or not is_echo)
            if is_trusted and (name := self._suggested(outcome, body)) is not None:
                adapted |= {name}
            elif may_pass and not tries.repeated:
                tries.repeated = True
                await self._pacing.after_failure(1, outcome.retry_after_s)
            elif is_refused:
                return tries.priced(Completion("", 0, 0, f"refused: {outcome.said}"))
            elif outcome.then in ("end the run", "no credit"):
                raise self._ending(outcome)
            elif tries.left:
                await self._pacing.after_failure(tries.failures or 1, outcome.retry_after_s)
            elif outcome.then in ("repeat", "wait"):
                times = tries.failures + tries.refusals
                return tries.priced(Completion("", 0, 0, f"failed: {times} times, at last: {outcome.said}"))
            else:
                raise self._ending(outcome)

    async def _try(
        self,
        path: str,
        body: dict[str, Any],
        request: Request,
        sampling: Sampling,
        tries: "_Tries",
    ) -> Reply | Fault:
        """Make a call at its turn, and count how it went."""
        began = await self._pacing.begin()
        try:
            outcome = await self._post(path, body, request, sampling)
        finally:
            self._pacing.end()
        if isinstance(outcome, Reply):
            self._pacing.succeeded()
            return outcome
        tries.prompt_tokens += outcome.tokens[0]
        tries.completion_tokens += outcome.tokens[1]
        if outcome.then in ("wait", "pause"):
            is_busy = outcome.then == "wait"
            tries.refusals += 1
            tries.in_a_row = self._pacing.refused(began, outcome.retry_after_s, is_busy=is_busy)
        elif outcome.then in ("repeat", "reconnect"):
            tries.failures += 1
        return outcome

    async def _post(self, path: str, body: dict[str, Any], request: Request, sampling: Sampling) -> Reply | Fault:
        """Make a call once."""
        client = await anext(self._clients)
        # A server of this project's own reports what ended an answer.
        limit = sampling.max_new_tokens if self._tokens is None else None
        try:
            async with asyncio.timeout(self._timeout_s):
                response = await client.post(path, cast_to=httpx2.Response, body=body)
            return read_reply(response.content, request, limit)
        except TimeoutError:
            # The library's own limit is one for each read: a reply that trickles would never end.
            return Fault("repeat", f"no whole reply within {self._timeout_s:g} s (inference.timeout_s)")
        except (openai.APIConnectionError, httpx2.TransportError) as error:  # the latter in the middle of an answer
            cause = error.__cause__ if isinstance(error, openai.APIConnectionError) else error
            return Fault(
                "reconnect" if isinstance(cause, httpx2.ConnectError) else "repeat", first_line(cause or error)
            )
        except openai.APIStatusError as error:
            text = error.response.text
            return fault_of(error.status_code, _reason(error), text, seconds_to_wait(error.response.headers))
        except ReplyError as error:
            fault = fault_of(error.status, f"in the reply: {_redacted(str(error))}", str(error))
            return replace(fault, tokens=error.tokens)

    def _call(self, request: Request, sampling: Sampling) -> tuple[str, dict[str, Any]]:
        """Return the path and the body of a call."""
        body: dict[str, Any] = {
            **self._fields,
            "model": self.name,
            "seed": request.seed,
            "max_tokens": sampling.max_new_tokens,
            "temperature": sampling.temperature,
        }
        if sampling.stops:
            body["stop"] = list(sampling.stops)
        if self._tokens is not None:
            return "/completions", body | self._tokens.body(request, sampling)
        if self._api == "completions" or request.raw:
            body["prompt"] = whole_characters(prompt_text(request.prompt)) + ("" if request.raw else "\n")
            return "/completions", body
        messages = chat_messages(request.prompt)
        if request.system:
            messages.insert(0, {"role": "system", "content": request.system})
        for message in messages:
            message["content"] = whole_characters(message["content"])
        body["messages"] = messages
        return "/chat/completions", body

    def _read(self, reply: Reply, body: dict[str, Any], request: Request, sampling: Sampling) -> Completion:
        """Return the answer of a reply, up to its end string. An answer that is cut after that string is whole."""
        self._answered = True
        if reply.instead:
            remedy = "no tool is offered" if "call" in reply.instead else _REMEDY
            self._say_once("empty", f"an answer is empty, and {reply.instead} has its text: {remedy}")
        if not _is_name_of(self.name, reply.model):
            self._say_once(
                "model", f"the server answers by the name {_redacted(reply.model)!r}: check that it has this model"
            )
        if reply.cut_prompt is not None:
            words = len(prompt_text(request.prompt).split())
            self._say_once(
                "prompt",
                f"the server counts {reply.cut_prompt} tokens of a prompt of {words} words: it has cut the prompt; "
                "raise its context (Ollama: num_ctx)",
            )
        answer = reply.answer
        text = answer.text
        if self._tokens is not None:
            text = self._tokens.read(text, request)
        elif "prompt" in body:
            text = text.removeprefix(body["prompt"])  # some servers repeat the prompt
        # Servers that ignore end strings run on to the limit.
        kept = before_stop(text, sampling.stops)
        end = FINISHED if answer.truncated and kept != text else _redacted(answer.end)
        return replace(answer, text=kept, end=end)

    def _say_once(self, what: str, said: str) -> None:
        if what not in self._said:
            self._said.add(what)
            logger.warning("model %r: %s", self.name, said)

    def _suggested(self, fault: Fault, body: dict[str, Any]) -> str | None:
        """Return the name of the adaptation that a refusal suggests for a call; None if it is about the prompt.

        Raises:
            InputError: the refusal names a setting of the user's, which is never left out.
        """
        if self._tokens is not None:
            return None
        field = set_parameter(fault.text, self._fields)
        if field is None:
            return suggest(fault.text, body)
        # After an answer the setting cannot be at fault: the refusal is about the prompt.
        if self._answered:
            return None
        raise InputError(
            f"{self.base_url}: model {self.name!r} refuses {field}: {fault.said}; change inference.{field} or "
            "inference.extra_body"
        )

    def _learn(self, adapted: frozenset[str]) -> None:
        """Make all further calls like the answered call."""
        for note in notes_of(adapted - self.adapted):
            logger.warning("model %r refuses the usual call, and is asked otherwise: %s", self.name, note)
        self.adapted |= adapted

    async def _open(self) -> AsyncGenerator[openai.AsyncOpenAI, None]:
        """Yield the client of the running event loop. The loop ends this generator, and so the connections."""
        address, query = address_and_query(self.base_url)
        key = read_key(self.base_url)
        async with openai.AsyncOpenAI(
            api_key=key,
            base_url=address,
            default_query=query,
            # Azure's name for it.
            default_headers={"api-key": key} if query else {},
            timeout=self._timeout_s,
            max_retries=0,
            http_client=openai.DefaultAsyncHttpxClient(**connection_options(self.base_url)),
        ) as client:
            while True:
                yield client

    def _ending(self, fault: Fault) -> Exception:
        """Return the error that the run ends with."""
        where = f"{self.base_url}: model {self.name!r}"
        if fault.then != "end the run":
            return EndpointError(
                f"{where}: {fault.said}; everything received is kept: check server, limits and credit, then run the "
                "same command again to continue"
            )
        return InputError(
            f"{where}: {fault.said}; check the key in the environment variable {KEY_VARIABLE} and, in params.yaml, "
            "inference.base_url, inference.api and the model's name"
        )


def _is_name_of(asked: str, answered: str) -> bool:
    """Return True if two names may be of one model: `gpt-4o` and `gpt-4o-2024-08-06`, `org/coder` and `coder`.

    >>> _is_name_of("org/Coder", "coder-2024"), _is_name_of("coder", "chat")
    (True, False)
    """
    first, second = (re.split(r"[/\\]", name.lower())[-1].split(":")[0] for name in (asked, answered))
    return first in second or second in first


@dataclass
class _Tries:
    """The tries of one call.

    Attributes:
        failures: failed tries.
        refusals: tries that a busy server refused.
        in_a_row: the server's refusals of any calls since its last success.
        repeated: a refusal that may pass has been repeated.
        prompt_tokens: the tokens of the prompt that failed tries have cost.
        completion_tokens: the tokens of the answer that they have cost.
    """

    failures: int = 0
    refusals: int = 0
    in_a_row: int = 0
    repeated: bool = False
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def priced(self, answer: Completion) -> Completion:
        """Return an answer with the tokens of the failed tries before it."""
        prompt_tokens = answer.prompt_tokens + self.prompt_tokens
        completion_tokens = answer.completion_tokens + self.completion_tokens
        return replace(answer, prompt_tokens=prompt_tokens, completion_tokens=completion_tokens)

    @property
    def left(self) -> bool:
        """Return True if the call may be tried again."""
        return max(self.failures, self.in_a_row) < ATTEMPTS and self.refusals < REFUSALS


def _reason(error: openai.APIStatusError) -> str:
    """Return a server's reason: OpenAI's message, or the body as it came, in any shape."""
    body = error.body
    message = body.get("message") if isinstance(body, dict) else None
    return _redacted(message if isinstance(message, str) else error.response.text)


def _redacted(text: str) -> str:
    """Return a server's message on one line, without the key, which some servers repeat."""
    key = os.environ.get(KEY_VARIABLE, "").strip()
    if len(key) >= SHORT_KEY:
        text = text.replace(key, "[key]")
    on_one_line = " ".join(whole_characters(text).split())
    return on_one_line if len(on_one_line) <= 300 else f"{on_one_line[:300]}…"


def open_backend(settings: BackendSettings) -> AbstractContextManager[Model]:
    """Return a block with the model of an endpoint; a missing key or bad address is an error at once."""
    return nullcontext(OpenAIModel(served_name(settings.model), settings.inference, adapted=settings.adapted))
