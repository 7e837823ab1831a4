"""Define the protocol of all backends, with requests that have their own seeds, and answers."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from iterpref_core.records import InferenceParams, Prompt, PromptFormat

from .event_loop import run_to_end
from .finish_reasons import CUT, FINISHED

QUIET_SHARE = 0.02
"""The share of answers that may be cut at the token limit, or lack a program, without a warning.

With more of them a score, or a comparison of training methods, measures brevity.
"""


@dataclass(frozen=True)
class Request:
    """One prompt: a text, or messages.

    Attributes:
        prompt: the user's message.
        seed: decides the random numbers of the answer, in any batch; samples of a prompt differ in it.
        private: the prompt is made of somebody's own code, and is searched for secrets before it leaves this machine.
        system: a message for the system before the prompt, for a model that chats.
        raw: the prompt is all that the model reads, without a template.
    """

    prompt: Prompt
    seed: int
    private: bool = False
    system: str = ""
    raw: bool = False


@dataclass(frozen=True)
class Sampling:
    """Sampling parameters: temperature 0 is greedy; lengths in tokens. An answer ends before the first of `stops`."""

    temperature: float
    max_new_tokens: int
    stops: tuple[str, ...] = ()


@dataclass(frozen=True)
class Completion:
    """An answer, its cost in tokens, how it ended (`finish_reasons`), and whether the tokens are an estimate."""

    text: str
    prompt_tokens: int
    completion_tokens: int
    end: str = FINISHED
    estimated: bool = False

    @property
    def truncated(self) -> bool:
        """Return True if a limit of tokens has ended the answer."""
        return self.end == CUT

    @property
    def missing(self) -> str:
        """Return why the answer is missing and its text must not be used; "" for an answer."""
        return "" if self.end in (FINISHED, CUT) else self.end


def before_stop(text: str, stops: Sequence[str]) -> str:
    r"""Return a text up to the first end string in it.

    >>> before_stop("x = 1\nprint(x)\ndef f", ["\ndef ", "\nprint("])
    'x = 1'
    """
    ends = [text.index(stop) for stop in stops if stop in text]
    return text[: min(ends, default=len(text))]


@dataclass(frozen=True)
class BackendSettings:
    """The settings for opening a model.

    Attributes:
        model: a checkpoint folder or hub id, the model's name at an endpoint, or a stage's folder that points at one.
        prompt: the format of prompts, for a model on this machine.
        inference: the parameters of the backend.
        adapted: the changes to requests that the model's server is known to need.
    """

    model: Path | str
    prompt: PromptFormat
    inference: InferenceParams
    adapted: frozenset[str]


Answered = Callable[[int, Completion], None]
"""Receives each answer and the index of its request as soon as the answer arrives."""


def ignore(index: int, answer: Completion) -> None:
    """Ignore an answer: the caller waits for all of them."""


Unused = Callable[[Request, Sampling, Completion], None]
"""Receives a reply that cost tokens and cannot be used, as soon as it arrives: its request is asked again."""


def ignore_unused(request: Request, sampling: Sampling, reply: Completion) -> None:
    """Ignore a reply that cannot be used: nobody counts its tokens."""


class Model(ABC):
    """Anything that answers prompts.

    Attributes:
        in_process: the model computes in this process, in batches whose shape affects rounding. Ask it in
            rounds, so that every run asks the same batches. Another model answers each prompt as soon as it can.
        concurrency: prompts at once: in a batch, or in flight.
        adapted: names of `adaptations.ADAPTATIONS`: how the model's server is asked after a refusal.
        unused: counts replies that cannot be used, before the one that is returned.
    """

    in_process = False
    concurrency: int
    adapted: frozenset[str] = frozenset()
    unused: Unused = staticmethod(ignore_unused)

    @abstractmethod
    async def answer(self, request: Request, sampling: Sampling) -> Completion:
        """Answer one request. The answer may be missing, as its end shows."""


def ask_all(
    model: Model,
    requests: Sequence[Request],
    sampling: Sampling,
    answered: Answered = ignore,
) -> list[Completion]:
    """Answer every request, in order; equal ones are asked once. `answered` receives each answer as it ends.

    Where one fails, no further one is begun; those in flight are waited for, since they may be paid for and stored, and
    then the first failure is raised.
    """
    indices: dict[Request, list[int]] = {}
    for index, request in enumerate(requests):
        indices.setdefault(request, []).append(index)
    answers: dict[int, Completion] = {}
    failures: list[Exception] = []
    waiting = iter(indices)

    async def ask_in_turn() -> None:
        # All tasks take from one iterator, so that each request is asked by the task that is free first.
        for request in waiting:
            try:
                answer = await model.answer(request, sampling)
            except Exception as failure:  # noqa: BLE001 - raised below, when the others are done
                failures.append(failure)
                return
            for index in indices[request]:
                answers[index] = answer
                answered(index, answer)
            if failures:
                return

    async def ask() -> None:
        # A model in this process makes its batches of all that wait.
        askers = len(indices) if model.in_process else min(model.concurrency, len(indices))
        await asyncio.gather(*[ask_in_turn() for _ in range(askers)])

    run_to_end(ask())
    if failures:
        raise failures[0]
    return [answers[index] for index in range(len(requests))]


class _Waiting(NamedTuple):
    """A request that waits for its batch, and the future of its answer."""

    request: Request
    sampling: Sampling
    answer: "asyncio.Future[Completion]"


class BatchModel(Model):
    """A model in this process: it answers all prompts together that wait when it has answered those before.

    They are answered in a thread, so that the event loop goes on.
    """

    in_process = True
    _waiting: tuple[_Waiting, ...] = ()
    _answering: "asyncio.Task[None] | None" = None

    @abstractmethod
    def generate(
        self,
        requests: Sequence[Request],
        sampling: Sampling,
        answered: Answered = ignore,
    ) -> list[Completion]:
        """Answer every request, in order, at most `concurrency` in a batch; used by one thread at a time."""

    async def answer(self, request: Request, sampling: Sampling) -> Completion:
        """Answer one request, together with others that wait."""
        answer: asyncio.Future[Completion] = asyncio.get_running_loop().create_future()
        self._waiting += (_Waiting(request, sampling, answer),)
        if self._answering is None or self._answering.done():
            self._answering = asyncio.create_task(self._answer_all())
        return await answer

    async def _answer_all(self) -> None:
        while self._waiting:
            sampling = self._waiting[0].sampling
            batch = [each for each in self._waiting if each.sampling == sampling]
            self._waiting = tuple(each for each in self._waiting if each.sampling != sampling)
            await self._answer_batch(batch)

    async def _answer_batch(self, batch: Sequence[_Waiting]) -> None:
        loop = asyncio.get_running_loop()

        def answered(index: int, answer: Completion) -> None:
            future = batch[index].answer
            # The caller has given up, by Ctrl-C for example.
            if future.cancelled():
                raise asyncio.CancelledError
            # A future may be settled by its event loop alone, and this is another thread.
            loop.call_soon_threadsafe(_settle, future, answer)

        try:
            await asyncio.to_thread(self.generate, [each.request for each in batch], batch[0].sampling, answered)
        except Exception as error:  # noqa: BLE001 - passed on to all who wait for this batch
            for each in batch:
                if not each.answer.done():
                    each.answer.set_exception(error)


def _settle(future: "asyncio.Future[Completion]", answer: Completion) -> None:
    if not future.done():
        future.set_result(answer)
