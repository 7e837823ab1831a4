"""Streaming rollouts without barriers: each problem goes on as soon as its own answer is back.

One coroutine per open problem asks, has the program run in a thread, and asks again. Rounds of batches (`driver`) wait
for the slowest answer and the slowest program of each round; here a slow one holds up nothing but its own problem.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

from iterpref_core.codeflow.attempts import attempt_of, hidden_program, sampled, visible_program, with_hidden
from iterpref_core.codeflow.conversation import Conversation
from iterpref_core.codeflow.draft_sampling import sample_request
from iterpref_core.codeflow.priority_semaphore import PrioritySemaphore
from iterpref_core.codeflow.rollouts import Busy, Lane, Rollout
from iterpref_core.config import CodeflowParams
from iterpref_core.errors import RefusedError
from iterpref_core.execution import Engine, Outcome, Program
from iterpref_core.inference.backend import Completion, Endpoint, Request, Sampling
from iterpref_core.records import Attempt, Problem

WINDOW = 8
"""Calls that open problems may want, for each call that may be under way: enough to choose from, and memory is flat."""
GRACE_S = 30.0
"""Calls under way when an error ends the run are paid for: they have so many seconds to come back and be stored."""

OnFinished = Callable[[Rollout], None]


def stream_debugging(
    problems: Iterable[Problem],
    drafter: Endpoint,
    refiner: Endpoint,
    engine: Engine,
    params: CodeflowParams,
    finished: OnFinished,
) -> None:
    """Draft, execute and refine every problem; `finished` gets each trajectory when it ends, in no certain order.

    Each model has `params.concurrency` calls under way. A free place goes to the conversation with the most calls still
    possible. (Hu's rule, 1961: with the longest chains first, many are never left over to be finished by few.)

    Raises:
        IterPrefError: what a model, the engine or `finished` raises. Nothing new is asked; answers to calls under way
            are waited for (not after Ctrl-C), so that they are stored.
    """
    sampling = Sampling(temperature=params.temperature, max_new_tokens=params.max_new_tokens)

    async def debug(problem: Problem, desk: _Desk) -> Rollout:
        conversation = Conversation(problem, params.max_iterations, params.seed, params.wording)
        busy = Busy()
        while not conversation.finished:
            draft = conversation.iteration == 0
            try:
                answer, seconds = await desk.ask(draft, conversation.request(), sampling, conversation.iteration)
            except RefusedError:
                conversation = conversation.after_refusal()
                break
            busy = busy.plus(Lane.DRAFTER if draft or drafter is refiner else Lane.REFINER, seconds)
            program = conversation.program(answer)
            outcome, seconds = await desk.execute(program)
            busy = busy.plus(Lane.PROGRAMS, seconds)
            conversation = conversation.after(answer, program, outcome)
        if (hidden := conversation.hidden_program()) is not None:
            outcome, seconds = await desk.execute(hidden)
            busy = busy.plus(Lane.PROGRAMS, seconds)
            conversation = conversation.after_hidden(outcome)
        return Rollout(conversation.trajectory(), busy)

    asyncio.run(
        _work_through(problems, debug, WINDOW * params.concurrency, _Desk(drafter, refiner, engine, params), finished)
    )


def stream_sampling(
    problems: Iterable[Problem], drafter: Endpoint, engine: Engine, params: CodeflowParams, finished: OnFinished
) -> None:
    """Draw and execute `params.sampling.samples` programs of every problem, all at once.

    A sample that the model's server refuses is left out, and counted. Otherwise as `stream_debugging`.
    """
    samples = params.sampling.samples
    sampling = Sampling(temperature=params.sampling.temperature, max_new_tokens=params.max_new_tokens)

    async def draw(problem: Problem, sample: int, desk: _Desk) -> tuple[Attempt | None, Busy]:
        try:
            answer, drafter_s = await desk.ask(True, sample_request(problem, sample, params), sampling, 0)
        except RefusedError:
            return None, Busy()
        program = visible_program(problem, answer)
        outcome, programs_s = await desk.execute(program)
        attempt = attempt_of(sample, answer, program, outcome)
        if (hidden := hidden_program(problem, attempt)) is not None:
            outcome, seconds = await desk.execute(hidden)
            attempt, programs_s = with_hidden(attempt, outcome), programs_s + seconds
        return attempt, Busy().plus(Lane.DRAFTER, drafter_s).plus(Lane.PROGRAMS, programs_s)

    async def draw_all(problem: Problem, desk: _Desk) -> Rollout:
        async with asyncio.TaskGroup() as group:
            drawn = [group.create_task(draw(problem, sample, desk)) for sample in range(samples)]
        results = [task.result() for task in drawn]
        attempts = tuple(attempt for attempt, _ in results if attempt is not None)
        return Rollout(sampled(problem, attempts, samples), sum((busy for _, busy in results), Busy()))

    window = max(2, -(-WINDOW * params.concurrency // samples))
    asyncio.run(_work_through(problems, draw_all, window, _Desk(drafter, drafter, engine, params), finished))


class _Desk:
    """What all problems of a run share: the models with a gate each, and the threads that wait for programs."""

    def __init__(self, drafter: Endpoint, refiner: Endpoint, engine: Engine, params: CodeflowParams) -> None:
        self._endpoints = {True: drafter, False: refiner}
        gate = PrioritySemaphore(params.concurrency)
        self._gates = {True: gate, False: gate if drafter is refiner else PrioritySemaphore(params.concurrency)}
        self._engine, self._concurrency, self._places = engine, params.concurrency, engine.places
        self._threads = ThreadPoolExecutor(self._places, thread_name_prefix="execution")
        self._calls: set[asyncio.Task[Completion]] = set()

    async def ask(self, draft: bool, request: Request, sampling: Sampling, rank: int) -> tuple[Completion, float]:
        """The answer to a request, when it is its turn, and the seconds it took, divided by the calls at once."""
        async with self._gates[draft].entered(rank):
            started = perf_counter()
            # A task of its own outlives the one that wants the answer: see `drain`.
            call = asyncio.ensure_future(self._endpoints[draft].answer(request, sampling))
            self._calls.add(call)
            call.add_done_callback(self._ended)
            answer = await asyncio.shield(call)
            return answer, (perf_counter() - started) / self._concurrency

    def _ended(self, call: asyncio.Task[Completion]) -> None:
        """Whoever wanted the answer may be gone; asyncio complains of an exception that nobody has looked at."""
        self._calls.discard(call)
        if not call.cancelled():
            call.exception()

    async def execute(self, program: Program) -> tuple[Outcome, float]:
        """The outcome of a program, run in a thread, and its seconds, divided by the programs at once."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._run, program)

    def _run(self, program: Program) -> tuple[Outcome, float]:
        started = perf_counter()
        outcome = self._engine.run_one(program)
        return outcome, (perf_counter() - started) / self._places

    async def drain(self) -> None:
        """Wait a while for the calls under way."""
        if self._calls:
            await asyncio.wait(self._calls, timeout=GRACE_S)

    def close(self) -> None:
        """End the calls that are left, and wait for the programs under way; their limits bound that."""
        for call in self._calls:
            call.cancel()
        self._threads.shutdown(cancel_futures=True)


async def _work_through(
    problems: Iterable[Problem],
    work: Callable[[Problem, _Desk], Coroutine[None, None, Rollout]],
    window: int,
    desk: _Desk,
    finished: OnFinished,
) -> None:
    """Keep `window` problems open until all are done."""
    source = iter(problems)

    async def serve() -> None:
        for problem in source:
            finished(await work(problem, desk))

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(window):
                group.create_task(serve())
    except BaseExceptionGroup as errors:
        await desk.drain()
        raise _first(errors) from None
    finally:
        desk.close()


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """An error itself, out of however many groups."""
    error = errors.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
