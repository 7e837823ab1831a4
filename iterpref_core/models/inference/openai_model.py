"""Call a server of OpenAI's API in a form that the server accepts, and repeat failed calls."""

import asyncio
import logging
import os
import re
from collections.abc import AsyncGenerator, Collection
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import httpx2
import openai

from iterpref_core.records import (
    KEY_VARIABLE,
    ConfigError,
    EndpointError,
    InferenceParams,
    InputError,
    chat_messages,
    first_line,
    prompt_text,
    whole_characters,
)

from ..pretrained.checkpoints import served_name
from .adaptations import ADAPTATIONS, Body, adapt, applicable, next_trial, notes_of
from .backend import BackendSettings, Completion, Model, Request, Sampling, before_stop
from .endpoint import address_and_query, connection_options, endpoint_url, read_key
from .finish_reasons import FINISHED
from .http_errors import Fault, fault_of
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
"""Attempts for one call, with growing pauses; refusals without a success of any call, of a busy server for a while."""
REFUSALS = 100
"""Refusals of one call by a server that is busy for this call alone."""
_VERSIONS = re.compile(r"(?:[-@](?:v\d[\d.:]*|\d{3,8}|\d{2,4}(?:-\d{2,4})+))*")
"""Versions and dates at the end of a model's name: "-v2", "-0613", "-2024-08-06"."""
TRIALS = 5
"""Changes of one refused call, one after the other: within seven calls a server answers that refuses one part."""
SEARCHES = 3
"""Prompts in a row that are asked otherwise in vain; the next ones are asked as usual alone."""


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
        self._inference = inference
        # A server of this project's own is asked as a model in this process is.
        self._fields = {} if tokens else inference.request_fields
        self._pacing = Pacing(self.base_url, inference.requests_per_minute, inference.concurrency)
        self._answered = False
        # Adaptations that the server does not need: it has answered calls without them that they would change.
        self._taken: set[str] = set()
        self._in_vain = 0
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
            self._searching = asyncio.Lock()
        call = _Call(*self._usual(request, sampling), request, sampling)
        while True:
            outcome: Reply | Fault | None = await self._try(call)
            if isinstance(outcome, Fault) and outcome.form and self._may_try(call):
                outcome = await self._ask_otherwise(call, outcome)
            if isinstance(outcome, Reply):
                return self._read(outcome, call)
            missing = await self._handle(call, outcome) if outcome else None
            if missing is not None:
                return Completion("", 0, 0, missing)

    async def _handle(self, call: "_Call", fault: Fault) -> str | None:
        """Wait until a failed call can be repeated, or return why it has no answer.

        Raises:
            InputError: no call has an answer.
            EndpointError: the server cannot be reached, or the credit is used up.
        """
        if fault.form:
            self._check_fields(fault)
        # An address that has answered may do so again.
        may_pass = fault.action == "repeat once" or (fault.action == "end the run" and self._answered)
        if may_pass and not call.repeated:
            call.repeated = True
            await self._pacing.after_failure(1, fault.retry_after_s)
        elif fault.action in ("give up the prompt", "repeat once"):
            return f"refused: {fault.said}"
        elif fault.action in ("end the run", "no credit"):
            raise self._ending(fault)
        elif call.left:
            await self._pacing.after_failure(call.failures or 1, fault.retry_after_s)
        elif fault.action in ("repeat", "wait"):
            return f"failed: {call.failures + call.refusals} times, at last: {fault.said}"
        else:
            raise self._ending(fault)
        return None

    def _may_try(self, call: "_Call") -> set[str]:
        """Return the adaptations that may help a refused call: the server has answered no call of its form."""
        if self._tokens is not None or self._in_vain == SEARCHES or len(call.tried) == TRIALS:
            return set()
        return applicable(adapt(call.usual, call.adapted)) - self._taken - call.tried

    async def _ask_otherwise(self, call: "_Call", fault: Fault) -> Reply | Fault | None:
        """Make a refused call again, as it was and then with one part after the other changed, until it is answered.

        One call tries at a time: the server is to answer within a few calls, not within a few for each in flight.

        Returns:
            The answer, whose adaptations the call then has; the last fault; None if the call is to be made again, with
            what another call has found.
        """
        async with self._searching:
            if self.adapted - call.adapted:
                return None
            # The refusal may pass: after "500" and an answer nothing is changed.
            trial: tuple[str, ...] = ()
            is_repeated = False
            while left := self._may_try(call):
                if is_repeated:
                    trial = (next_trial(fault.text, left),)
                is_repeated = True
                if fault.action != "give up the prompt":
                    await self._pacing.after_failure(1, fault.retry_after_s)
                outcome = await self._try(call, *trial)
                if isinstance(outcome, Reply) and any(ADAPTATIONS[name].is_named(fault.text) for name in trial):
                    self._adopt(call, trial)
                if isinstance(outcome, Reply) or not outcome.form or not call.left:
                    return outcome
                call.tried.update(trial)
                # Of two parts the server may name one after the other.
                for name in trial:
                    named = ADAPTATIONS[name].is_named
                    if named(fault.text) and not named(outcome.text):
                        call.adapted |= {name}
                fault = outcome
            if call.tried:
                self._in_vain += 1
                call.repeated = True
            return fault

    async def _try(self, call: "_Call", *trial: str) -> Reply | Fault:
        """Make a call at its turn, with what is known by then and the adaptation on trial, and count how it went."""
        began = await self._pacing.begin()
        call.adapted |= self.adapted
        try:
            outcome = await self._post(call, adapt(call.usual, call.adapted.union(trial)))
        finally:
            self._pacing.end()
        if isinstance(outcome, Reply):
            self._pacing.succeeded()
            self._learn(call, trial)
            return outcome
        if any(outcome.tokens):
            self.unused(call.request, call.sampling, Completion("", *outcome.tokens, f"failed: {outcome.said}"))
        if outcome.action in ("wait", "pause"):
            is_busy = outcome.action == "wait"
            call.refusals += 1
            refusals = self._pacing.refused(began, outcome.retry_after_s, is_busy=is_busy)
            # A deployment that starts is busy for minutes, and ten short pauses are over sooner.
            is_over = not is_busy or self._pacing.refused_s >= self._inference.timeout_s
            call.is_given_up = refusals >= ATTEMPTS and is_over
        elif outcome.action in ("repeat", "reconnect"):
            call.failures += 1
        return outcome

    async def _post(self, call: "_Call", body: Body) -> Reply | Fault:
        """Make a call once, with this body."""
        client = await anext(self._clients)
        # A server of this project's own reports what ended an answer.
        limit = call.sampling.max_new_tokens if self._tokens is None else None
        try:
            async with asyncio.timeout(self._inference.timeout_s):
                response = await client.post(call.path, cast_to=httpx2.Response, body=body)
            return read_reply(response.content, call.request, limit)
        except TimeoutError:
            # The library's own limit is one for each read: a reply that trickles would never end.
            return Fault("repeat", f"no whole reply within {self._inference.timeout_s:g} s (inference.timeout_s)")
        except (openai.APIConnectionError, httpx2.TransportError) as error:  # the latter in the middle of an answer
            cause = error.__cause__ if isinstance(error, openai.APIConnectionError) else error
            reason = first_line(cause or error)
            if "CERTIFICATE_VERIFY_FAILED" in reason:
                raise ConfigError(
                    f"{self.base_url}: {reason}; name a file with the server's certificate, or its authority's, in the "
                    "environment variable SSL_CERT_FILE"
                ) from None
            return Fault("reconnect" if isinstance(cause, httpx2.ConnectError) else "repeat", reason)
        except openai.APIStatusError as error:
            response = error.response
            retry_after_s = client._parse_retry_after_header(response.headers)  # noqa: SLF001 - it has no public name
            wait_s = seconds_to_wait(retry_after_s, response)
            return fault_of(error.status_code, _reason(error), response.text, wait_s)
        except ReplyError as error:
            fault = fault_of(error.status, f"in the reply: {_redacted(str(error))}", str(error))
            return replace(fault, tokens=error.tokens)

    def _usual(self, request: Request, sampling: Sampling) -> tuple[str, Body]:
        """Return the path and the body of a call, as servers usually take it."""
        body: Body = {
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
        if self._inference.api == "completions" or request.raw:
            body["prompt"] = whole_characters(prompt_text(request.prompt)) + ("" if request.raw else "\n")
            return "/completions", body
        messages = chat_messages(request.prompt)
        if request.system:
            messages.insert(0, {"role": "system", "content": request.system})
        for message in messages:
            message["content"] = whole_characters(message["content"])
        body["messages"] = messages
        return "/chat/completions", body

    def _read(self, reply: Reply, call: "_Call") -> Completion:
        """Return the answer of a reply, up to its end string. An answer that is cut after that string is whole."""
        self._answered = True
        if reply.instead:
            remedy = "no tool is offered" if "call" in reply.instead else _REMEDY
            self._say_once("empty", f"an answer is empty, and {reply.instead} has its text: {remedy}")
        if reply.model and not _is_name_of(self.name, reply.model):
            self._say_once(
                "model", f"the server answers by the name {_redacted(reply.model)!r}: check that it has this model"
            )
        if reply.cut_prompt is not None:
            words = len(prompt_text(call.request.prompt).split())
            self._say_once(
                "prompt",
                f"the server counts {reply.cut_prompt} tokens of a prompt of {words} words: it has cut the prompt; "
                "raise its context (Ollama: num_ctx)",
            )
        answer = reply.answer
        text = answer.text
        if self._tokens is not None:
            text = self._tokens.read(text, call.request)
        elif "prompt" in call.usual:
            text = text.removeprefix(call.usual["prompt"])  # some servers repeat the prompt
        # Servers that ignore end strings run on to the limit.
        kept = before_stop(text, call.sampling.stops)
        end = FINISHED if answer.truncated and kept != text else _redacted(answer.end)
        return replace(answer, text=kept, end=end)

    def _say_once(self, what: str, said: str) -> None:
        if what not in self._said:
            self._said.add(what)
            logger.warning("model %r: %s", self.name, said)

    def _check_fields(self, fault: Fault) -> None:
        """Refuse a setting of the user's that a refusal names: it is never left out.

        Raises:
            InputError: the refusal names it, and the server has answered nothing: it is not about the prompt.
        """
        for name in () if self._answered else self._fields:
            if re.search(rf"\b{re.escape(name)}\b", fault.text):
                raise InputError(
                    f"{self.base_url}: model {self.name!r} refuses {name}: {fault.said}; change inference.{name} or "
                    "inference.extra_body"
                )

    def _learn(self, call: "_Call", trial: Collection[str]) -> None:
        """Make all further calls like the answered call.

        What was on trial is needed if it alone is left. After a first trial that no refusal named it is not known: the
        refusal may have passed. The answer shows then that the server needs no other adaptation, and the next call,
        which one is left.
        """
        left = applicable(adapt(call.usual, call.adapted)) - self._taken - call.tried
        self._taken |= applicable(adapt(call.usual, call.adapted.union(trial)))
        if not trial or left.issubset(trial):
            self._adopt(call, trial)
        self._in_vain = 0

    def _adopt(self, call: "_Call", trial: Collection[str]) -> None:
        """Make this call and all further ones with what was on trial."""
        call.adapted = call.adapted.union(trial)
        for note in notes_of(call.adapted - self.adapted):
            logger.warning("model %r refuses the usual call, and is asked otherwise: %s", self.name, note)
        self.adapted |= call.adapted

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
            timeout=self._inference.timeout_s,
            max_retries=0,
            http_client=openai.DefaultAsyncHttpxClient(**connection_options(self.base_url)),
        ) as client:
            while True:
                yield client

    def _ending(self, fault: Fault) -> Exception:
        """Return the error that the run ends with."""
        where = f"{self.base_url}: model {self.name!r}"
        if fault.action != "end the run":
            return EndpointError(
                f"{where}: {fault.said}; everything received is kept: check server, limits and credit, then run the "
                "same command again to continue"
            )
        return InputError(
            f"{where}: {fault.said}; check the key in the environment variable {KEY_VARIABLE} and, in params.yaml, "
            "inference.base_url, inference.api and the model's name"
        )


def _is_name_of(asked: str, answered: str) -> bool:
    """Return True if two names are of one model: what one of them has beyond the other is a date or a version.

    >>> _is_name_of("gpt-4o", "gpt-4o-2024-08-06"), _is_name_of("coder-latest", "org/coder-2411")
    (True, True)
    >>> _is_name_of("gpt-4o", "gpt-4o-mini"), _is_name_of("coder-2501", "coder-2411")
    (False, False)
    """
    bare = (re.split(r"[/\\]", name.lower())[-1] for name in (asked, answered))
    short, long = sorted((re.sub("[-:@]latest$", "", name) for name in bare), key=len)
    return long.startswith(short) and _VERSIONS.fullmatch(long, len(short)) is not None


@dataclass
class _Call:
    """A call, and its tries.

    Attributes:
        path: the path of the API.
        usual: the body, as servers usually take it.
        request: the request.
        sampling: its sampling parameters.
        adapted: how the server is asked.
        tried: adaptations that were tried in vain.
        failures: failed tries.
        refusals: tries that a busy server refused.
        is_given_up: the server has refused too many calls since its last success, and for too long.
        repeated: a refusal that may pass has been repeated.
    """

    path: str
    usual: Body
    request: Request
    sampling: Sampling
    adapted: frozenset[str] = frozenset()
    tried: set[str] = field(default_factory=set)
    failures: int = 0
    refusals: int = 0
    is_given_up: bool = False
    repeated: bool = False

    @property
    def left(self) -> bool:
        """Return True if the call may be tried again."""
        return not self.is_given_up and self.failures < ATTEMPTS and self.refusals < REFUSALS


def _reason(error: openai.APIStatusError) -> str:
    """Return a server's reason: the place that it redirects to, OpenAI's message, or the body as it came."""
    place = error.response.headers.get("location")
    if place and error.response.is_redirect:
        return f"redirects to {_redacted(place)}, where no prompt is sent unless you name that address"
    body = error.body
    message = body.get("message") if isinstance(body, dict) else None
    return _redacted(message if isinstance(message, str) else error.response.text or error.response.reason_phrase)


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
