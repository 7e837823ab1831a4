"""Lead the conversations about many problems, in rounds of batches or without barriers.

A conversation about a problem is a draft, its verdict, a refinement from the feedback, and so on.

A model in this process answers in rounds, so that each run has the same batches: the rounding of numbers depends on
them. A server answers without barriers: each conversation continues when its own answer has arrived, so that a slow
answer or program delays no other conversation.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice

from iterpref_core.execution import Engine, make_program
from iterpref_core.models.inference.backend import (
    Answered,
    Completion,
    Model,
    Request,
    Sampling,
    ask_all,
    ignore,
)
from iterpref_core.models.inference.event_loop import run_to_end
from iterpref_core.models.prompts.codeflow_prompts import refine_prompt
from iterpref_core.models.prompts.drafts import draft_request, draft_sampling, drafted_program
from iterpref_core.records import UNDECIDED, Attempt, CodeflowParams, Problem, Trajectory

# Open conversations for each prompt that a model answers at once.
#
# A server's slow answer then delays no other conversation. A model in this process fills its batches with prompts of
# similar length: of 8 batches of drafts and repairs, 7 are full; with a window of one batch, the last repairs run
# alone.
WINDOW = 8
# Seconds to wait, after an error, for the answers to calls under way: they are paid for, and so they are stored.
GRACE_S = 30.0

Names = tuple[str | None, str | None]
"""The names of the models that draft and refine; of a folder its own name without the path."""


@dataclass(frozen=True)
class Conversation:
    """A conversation about a problem; immutable, so that each answer makes a new one.

    In short, the loop of CodeFlow is

        while not conversation.finished:
            answer = await model.answer(conversation.request(), sampling)
            conversation = conversation.after(answer, executor)

    A conversation is finished after a version that passes, after the last refinement, when an answer is missing, or
    after a version without a verdict (`infra_error`), which has no feedback to refine from.

    Attributes:
        problem: the problem.
        params: the loop's settings.
        names: of the models, for the record.
        number: index of the sample; 0 for debugging.
        attempts: the versions so far.
        missing: the reason why the last answer is missing; "" if it is not.
    """

    problem: Problem
    params: CodeflowParams
    names: Names = (None, None)
    number: int = 0
    attempts: tuple[Attempt, ...] = ()
    missing: str = ""

    @property
    def finished(self) -> bool:
        """Return True if no further answer is needed."""
        if self.missing or not self.attempts:
            return bool(self.missing)
        refinements = 0 if self.params.source == "sampling" else self.params.max_iterations
        shows_no_failure = self.attempts[-1].verdict in UNDECIDED
        return shows_no_failure or len(self.attempts) > refinements

    @property
    def iteration(self) -> int:
        """Return the number of the next attempt."""
        return self.number + len(self.attempts)

    def request(self) -> Request:
        """Return the next request; its seed depends on the run's seed, the problem and the iteration alone."""
        assert not self.finished
        request = draft_request(self.problem, self.params, self.iteration)
        if not self.attempts:
            return request
        last = self.attempts[-1]
        return replace(
            request, prompt=refine_prompt(self.problem.prompt, last.code, last.feedback, self.params.wording)
        )

    def after(self, answer: Completion, executor: Engine) -> "Conversation":
        """Run an answer's program and return the conversation with this attempt. Blocks; any thread may call.

        The tests come from the problem's record, which no answer can reach. A program that passes the visible tests is
        run once more, with the hidden ones, which fail a program that only recognizes the visible tests; feedback from
        hidden tests is not kept. An answer that was cut off at `codeflow.max_new_tokens` has the verdict `truncated`,
        unless its program passes all the same. A missing answer ends the conversation.
        """
        assert not self.finished
        if answer.missing:
            return replace(self, missing=answer.missing)
        problem = self.problem
        code = drafted_program(problem, answer)
        hidden = None
        outcome = executor.run_one(make_program(problem, code, problem.tests))
        inside = outcome.inside
        verdict = outcome.verdict
        if answer.truncated and verdict not in UNDECIDED:
            verdict = "truncated"
        if outcome.verdict == "passed" and problem.hidden_tests:
            hidden_outcome = executor.run_one(make_program(problem, code, problem.hidden_tests))
            hidden = hidden_outcome.verdict
            inside += hidden_outcome.inside
        attempt = Attempt(
            iteration=self.iteration,
            code=code,
            verdict=verdict,
            feedback=outcome.feedback,
            inside=inside,
            prompt_tokens=answer.prompt_tokens,
            completion_tokens=answer.completion_tokens,
            hidden=hidden,
            model=self.names[bool(self.attempts)],
        )
        return replace(self, attempts=(*self.attempts, attempt))


def trajectory_of(conversations: Sequence[Conversation]) -> Trajectory:
    """Return the record of all finished conversations about a problem."""
    problem = conversations[0].problem
    attempts: tuple[Attempt, ...] = ()
    for conversation in conversations:
        attempts += conversation.attempts
    return Trajectory(
        task_id=problem.task_id,
        solved=any(attempt.verdict == "passed" for attempt in attempts),
        attempts=attempts,
        missing=tuple(conversation.missing for conversation in conversations if conversation.missing) or None,
        tests=problem.tests_digest,
        provenance=problem.provenance,
    )


def roll_out(
    problems: Iterable[Problem],
    drafter: Model,
    refiner: Model,
    executor: Engine,
    params: CodeflowParams,
    finished: Callable[[Trajectory], None],
    answered: Answered = ignore,
    names: Names = (None, None),
) -> None:
    """Draft, execute and refine every problem, or draw its samples; `finished` gets each trajectory when it ends.

    The number of open conversations, or of calls to each model, is what the drafter answers at once. Each request has
    its own seed, so that a trajectory does not depend on the other open conversations.

    Args:
        problems: any number; they are streamed.
        drafter: answers first.
        refiner: answers later; may be the drafter itself.
        executor: runs the programs.
        params: the loop's settings.
        finished: takes the trajectories, in no certain order.
        answered: called for each answer of a model in this process, so that progress shows before a trajectory ends.
        names: the names of drafter and refiner, for the record.

    Raises:
        IterPrefError: an error of a model, the executor or `finished`.
    """
    sampled = params.source == "sampling"
    samples = params.sampling.samples if sampled else 1
    waiting: dict[str, list[Conversation]] = {}

    def ended(conversation: Conversation) -> None:
        """Hand over a problem's trajectory when the last of its conversations has ended."""
        same_problem = waiting.setdefault(conversation.problem.task_id, [])
        same_problem.append(conversation)
        if len(same_problem) == samples:
            del waiting[conversation.problem.task_id]
            in_order = sorted(same_problem, key=lambda item: item.number)
            finished(trajectory_of(in_order))

    conversations = (Conversation(problem, params, names, each) for problem in problems for each in range(samples))
    roll_outs = _RollOuts(drafter, refiner, executor, draft_sampling(params), ended)
    if drafter.in_process and refiner.in_process:
        roll_outs.lead_in_rounds(conversations, answered)
    else:
        run_to_end(roll_outs.lead(conversations))


@dataclass
class _RollOuts:
    """The conversations of a run; `ended` gets each one at its end."""

    drafter: Model
    refiner: Model
    executor: Engine
    sampling: Sampling
    ended: Callable[[Conversation], None]

    def _next_model(self, conversation: Conversation) -> Model:
        return self.refiner if conversation.attempts else self.drafter

    def lead_in_rounds(self, conversations: Iterator[Conversation], answered: Answered) -> None:
        """Answer one batch of prompts per model, then run all programs, until all conversations have ended."""

        def judge(answered_one: tuple[Conversation, Completion]) -> Conversation:
            conversation, answer = answered_one
            return conversation.after(answer, self.executor)

        # Take room for 3 conversations, and conversations a, b, c, d, where b passes with its draft:
        #
        #   round 1   a, b, c   the drafter answers all three; b ends
        #   round 2   a, c, d   d takes the free place: the refiner answers a and c, the drafter d
        active: list[Conversation] = []
        while True:
            active += islice(conversations, WINDOW * self.drafter.concurrency - len(active))
            if not active:
                return
            # Ask each model once, with all conversations that wait for it.
            answers: dict[int, Completion] = {}
            for model in dict.fromkeys((self.drafter, self.refiner)):
                indices = [index for index, each in enumerate(active) if self._next_model(each) is model]
                if indices:
                    requests = [active[index].request() for index in indices]
                    completions = ask_all(model, requests, self.sampling, answered)
                    answers.update(zip(indices, completions, strict=True))
            answered_ones = [(conversation, answers[index]) for index, conversation in enumerate(active)]
            # Run all programs of the round.
            active = [following for _, following in self.executor.each(answered_ones, judge)]
            for conversation in active:
                if conversation.finished:
                    self.ended(conversation)
            active = [conversation for conversation in active if not conversation.finished]

    async def lead(self, conversations: Iterator[Conversation]) -> None:
        """Lead all conversations without barriers: each goes on as soon as its own answer has arrived.

        After an error, no new call is made. The open calls may end, so that their answers are stored; Ctrl-C ends them.
        """
        # Permits for open conversations, and for the calls of each model.
        places = asyncio.Semaphore(WINDOW * self.drafter.concurrency)
        free = {model: asyncio.Semaphore(model.concurrency) for model in (self.drafter, self.refiner)}
        threads = ThreadPoolExecutor(self.executor.slots, thread_name_prefix="execution")
        loop = asyncio.get_running_loop()
        calls = set[asyncio.Task[Completion]]()

        def forget(call: asyncio.Task[Completion]) -> None:
            """Drop an ended call, and look at its exception: asyncio reports exceptions that are never looked at."""
            calls.discard(call)
            if not call.cancelled():
                call.exception()

        async def finish(conversation: Conversation) -> None:
            while not conversation.finished:
                model = self._next_model(conversation)
                async with free[model]:
                    # The call is a task of its own, outside of the group: an error cancels this task and not the call.
                    call = asyncio.ensure_future(model.answer(conversation.request(), self.sampling))
                    calls.add(call)
                    call.add_done_callback(forget)
                    answer = await asyncio.shield(call)
                # Programs run in threads, so that they do not block other conversations.
                conversation = await loop.run_in_executor(threads, conversation.after, answer, self.executor)
            self.ended(conversation)
            places.release()

        try:
            async with asyncio.TaskGroup() as group:
                for conversation in conversations:
                    await places.acquire()
                    group.create_task(finish(conversation))
        except BaseExceptionGroup as errors:
            if calls:
                await asyncio.wait(calls, timeout=GRACE_S)
            raise errors.exceptions[0] from None
        finally:
            for call in calls:
                call.cancel()
            threads.shutdown(cancel_futures=True)
