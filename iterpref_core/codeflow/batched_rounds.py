"""Batched rollouts in rounds: one batch of prompts per model, then one run of all programs, again and again.

For models in this process: what is in a batch, and so how its numbers are rounded, is the same in every run.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from time import perf_counter

from iterpref_core.codeflow.conversation import Conversation
from iterpref_core.codeflow.rollouts import Busy, Lane, Rollout
from iterpref_core.config import CodeflowParams
from iterpref_core.execution import Engine, Outcome, Program
from iterpref_core.inference.backend import Backend, Completion, Sampling
from iterpref_core.records import Problem


@dataclass(frozen=True)
class _Open:
    """A conversation that goes on, and what it has kept busy."""

    conversation: Conversation
    busy: Busy


def debug_problems(
    problems: Iterable[Problem], drafter: Backend, refiner: Backend, executor: Engine, params: CodeflowParams
) -> Iterator[Rollout]:
    """Draft, execute and refine every problem; yields each trajectory as soon as its conversation ends.

    `params.concurrency` conversations are in flight; ended ones make room for the next problems. Each request carries
    its own seed, so a trajectory does not depend on which others were in flight.
    """
    sampling = Sampling(temperature=params.temperature, max_new_tokens=params.max_new_tokens)
    waiting = iter(problems)
    active: list[_Open] = []
    while True:
        room = params.concurrency - len(active)
        active += [
            _Open(Conversation(problem, params.max_iterations, params.seed, params.wording), Busy())
            for problem in islice(waiting, room)
        ]
        if not active:
            return
        answers = _ask(active, drafter, refiner, sampling)
        programs = [one.conversation.program(answer) for one, (answer, _) in zip(active, answers, strict=True)]
        outcomes, running_s = _run(programs, executor)
        active = [
            _Open(one.conversation.after(answer, program, outcome), one.busy.plus(Lane.DRAFTER, asking_s + running_s))
            for one, (answer, asking_s), program, outcome in zip(active, answers, programs, outcomes, strict=True)
        ]
        yield from _finish([one for one in active if one.conversation.finished], executor)
        active = [one for one in active if not one.conversation.finished]


def _ask(
    active: Sequence[_Open], drafter: Backend, refiner: Backend, sampling: Sampling
) -> list[tuple[Completion, float]]:
    """Answers to all conversations, in order, and each one's share of the seconds they took.

    Drafts come from one model and refinements from the other, a batch each.
    """
    models = [drafter if one.conversation.iteration == 0 else refiner for one in active]
    answers: dict[int, tuple[Completion, float]] = {}
    for model in [drafter] if drafter is refiner else [drafter, refiner]:
        places = [place for place, wanted in enumerate(models) if wanted is model]
        if not places:
            continue
        started = perf_counter()
        completions = model.generate([active[place].conversation.request() for place in places], sampling)
        share = (perf_counter() - started) / len(places)
        answers.update((place, (completion, share)) for place, completion in zip(places, completions, strict=True))
    return [answers[place] for place in range(len(active))]


def _run(programs: Sequence[Program], executor: Engine) -> tuple[list[Outcome], float]:
    """The outcomes, and each one's share of the seconds they took."""
    started = perf_counter()
    outcomes = [outcome for _, outcome in executor.run_each(programs, lambda program: program)]
    return outcomes, (perf_counter() - started) / max(len(programs), 1)


def _finish(ended: Sequence[_Open], executor: Engine) -> Iterator[Rollout]:
    """The trajectories of ended conversations, with the verdicts of the hidden tests on those that are solved."""
    hidden = {place: program for place, one in enumerate(ended) if (program := one.conversation.hidden_program())}
    outcomes, seconds = _run(list(hidden.values()), executor)
    judged = dict(zip(hidden, outcomes, strict=True))
    for place, one in enumerate(ended):
        if place in judged:
            conversation = one.conversation.after_hidden(judged[place])
            yield Rollout(conversation.trajectory(), one.busy.plus(Lane.DRAFTER, seconds))
        else:
            yield Rollout(one.conversation.trajectory(), one.busy)
