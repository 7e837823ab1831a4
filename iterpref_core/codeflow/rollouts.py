"""Rollouts: conversations about many problems, led in rounds of batches or without barriers.

A model in this process is asked in rounds: what is in a batch, and so how its numbers are rounded, is the same in every
run. A server is asked without barriers: each conversation goes on as soon as its own answer is back, so that a slow
answer or program holds up nothing else.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count, islice

from iterpref_core.codeflow.conversation import Conversation, open_conversations, trajectory_of
from iterpref_core.config import CodeflowParams
from iterpref_core.errors import RefusedError
from iterpref_core.execution import Engine
from iterpref_core.inference.backend import Answered, Completion, Model, Sampling, ignore
from iterpref_core.records import Problem, Trajectory

WINDOW = 8
"""Open conversations for each call that may be under way: enough to choose from, and memory is flat."""
GRACE_S = 30.0
"""Calls under way when an error ends the run are paid for: they have so many seconds to come back and be stored."""

Ended = Callable[[Conversation], None]
_Ready = tuple[int, int, Conversation]
"""Attempts made so far, when it came, and the conversation."""


def roll_out(
    problems: Iterable[Problem],
    drafter: Model,
    refiner: Model,
    executor: Engine,
    params: CodeflowParams,
    finished: Callable[[Trajectory], None],
    answered: Answered = ignore,
) -> None:
    """Draft, execute and refine every problem, or draw its samples; `finished` gets each trajectory when it ends.

    `params.concurrency` conversations are in flight, or calls of each model. Each request carries its own seed, so a
    trajectory does not depend on which others were in flight.

    Args:
        problems: any number; they are streamed.
        drafter: answers first.
        refiner: answers later; may be the drafter itself.
        executor: runs the programs.
        params: the loop's settings.
        finished: takes the trajectories, in no certain order.
        answered: is told each answer of a model in this process, whose first trajectory may end after many of them.

    Raises:
        IterPrefError: what a model, the executor or `finished` raises.
    """
    sampled = params.source == "sampling"
    sampling = Sampling(params.sampling.temperature if sampled else params.temperature, params.max_new_tokens)
    waiting: dict[str, list[Conversation]] = {}

    def ended(conversation: Conversation) -> None:
        same = waiting.setdefault(conversation.problem.task_id, [])
        same.append(conversation)
        if len(same) == (params.sampling.samples if sampled else 1):
            del waiting[conversation.problem.task_id]
            finished(trajectory_of(sorted(same, key=lambda item: item.number)))

    conversations = (each for problem in problems for each in open_conversations(problem, params))
    if drafter.in_process and refiner.in_process:
        lead_in_rounds(conversations, drafter, refiner, executor, sampling, params.concurrency, ended, answered)
    else:
        stream = _Stream(drafter, refiner, executor, sampling, params.concurrency, ended)
        asyncio.run(stream.lead(conversations))


def lead_in_rounds(
    conversations: Iterator[Conversation],
    drafter: Model,
    refiner: Model,
    executor: Engine,
    sampling: Sampling,
    concurrency: int,
    ended: Ended,
    answered: Answered,
) -> None:
    """One batch of prompts per model, then one run of all programs, again and again."""
    active: list[Conversation] = []
    while active := active + list(islice(conversations, concurrency - len(active))):
        answers: dict[int, Completion] = {}
        for model in [drafter] if drafter is refiner else [drafter, refiner]:
            places = [n for n, each in enumerate(active) if (refiner if each.attempts else drafter) is model]
            if places:
                completions = model.generate([active[place].request() for place in places], sampling, answered)
                answers.update(zip(places, completions, strict=True))
        judged = [(conversation, answers[place]) for place, conversation in enumerate(active)]
        active = [following for _, following in executor.each(judged, lambda pair: pair[0].after(pair[1], executor))]
        for conversation in active:
            if conversation.finished:
                ended(conversation)
        active = [conversation for conversation in active if not conversation.finished]


class _Stream:
    """Conversations without barriers. A free call goes to the conversation with the most calls still possible.

    With the longest chains first, many are never left over to be finished by few (Hu's rule, 1961).
    """

    def __init__(
        self,
        drafter: Model,
        refiner: Model,
        executor: Engine,
        sampling: Sampling,
        concurrency: int,
        ended: Ended,
    ) -> None:
        self._drafter, self._refiner, self._executor = drafter, refiner, executor
        self._sampling, self._concurrency, self._ended = sampling, concurrency, ended
        self._queues = {id(model): asyncio.PriorityQueue[_Ready]() for model in (drafter, refiner)}
        self._room = asyncio.Semaphore(WINDOW * concurrency)
        self._threads = ThreadPoolExecutor(executor.places, thread_name_prefix="execution")
        self._calls = set[asyncio.Task[Completion]]()
        self._numbers = count()

    async def lead(self, conversations: Iterator[Conversation]) -> None:
        """All of them, to their ends.

        Where an error ends the run, nothing new is asked, and answers to calls under way are waited for (not after
        Ctrl-C), so that they are stored.
        """
        try:
            async with asyncio.TaskGroup() as group:
                models = [self._drafter] if self._drafter is self._refiner else [self._drafter, self._refiner]
                asking = [group.create_task(self._ask(m, group)) for m in models for _ in range(self._concurrency)]
                for conversation in conversations:
                    await self._room.acquire()
                    self._put(conversation)
                for _ in range(WINDOW * self._concurrency):  # until all have ended
                    await self._room.acquire()
                for task in asking:
                    task.cancel()
        except BaseExceptionGroup as errors:
            if self._calls:
                await asyncio.wait(self._calls, timeout=GRACE_S)
            raise _first(errors) from None
        finally:
            for call in self._calls:
                call.cancel()
            self._threads.shutdown(cancel_futures=True)

    def _put(self, conversation: Conversation) -> None:
        model = self._refiner if conversation.attempts else self._drafter
        self._queues[id(model)].put_nowait((len(conversation.attempts), next(self._numbers), conversation))

    async def _ask(self, model: Model, group: asyncio.TaskGroup) -> None:
        while True:
            *_, conversation = await self._queues[id(model)].get()
            # A task of its own outlives the one that wants the answer: see `lead`.
            call = asyncio.ensure_future(model.answer(conversation.request(), self._sampling))
            self._calls.add(call)
            call.add_done_callback(self._forget)
            try:
                answer = await asyncio.shield(call)
            except RefusedError:
                self._close(conversation.after_refusal())
            else:
                group.create_task(self._judge(conversation, answer))

    def _forget(self, call: asyncio.Task[Completion]) -> None:
        """Whoever wanted the answer may be gone; asyncio complains of an exception that nobody has looked at."""
        self._calls.discard(call)
        if not call.cancelled():
            call.exception()

    async def _judge(self, conversation: Conversation, answer: Completion) -> None:
        loop = asyncio.get_running_loop()
        following = await loop.run_in_executor(self._threads, conversation.after, answer, self._executor)
        if following.finished:
            self._close(following)
        else:
            self._put(following)

    def _close(self, conversation: Conversation) -> None:
        self._ended(conversation)
        self._room.release()


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """An error itself, out of however many groups."""
    error = errors.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
