"""Many debugging conversations at once, in rounds: one batch per model, then one run of the programs."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from iterpref_core.config import CodeflowParams
from iterpref_core.debugging.conversation import Conversation
from iterpref_core.execution import ProgramRunner
from iterpref_core.inference.backend import Backend, Completion, Sampling
from iterpref_core.records import Problem, Trajectory


def debug_problems(
    problems: Iterable[Problem], drafter: Backend, refiner: Backend, executor: ProgramRunner, params: CodeflowParams
) -> Iterator[Trajectory]:
    """Draft, execute and refine every problem; yields each trajectory as soon as its conversation ends.

    `params.concurrency` conversations are in flight; ended ones make room for the next problems. Each request carries
    its own seed, so a trajectory does not depend on which others were in flight.
    """
    sampling = Sampling(temperature=params.temperature, max_new_tokens=params.max_new_tokens)
    waiting = iter(problems)
    active: list[Conversation] = []
    while True:
        room = params.concurrency - len(active)
        active += [Conversation(problem, params.max_iterations, params.seed) for problem in islice(waiting, room)]
        if not active:
            return
        answers = _ask(active, drafter, refiner, sampling)
        programs = [conversation.program(answer) for conversation, answer in zip(active, answers, strict=True)]
        rows = zip(active, answers, programs, executor.run(programs), strict=True)
        active = [conversation.after(answer, program, outcome) for conversation, answer, program, outcome in rows]
        yield from (conversation.trajectory() for conversation in active if conversation.finished)
        active = [conversation for conversation in active if not conversation.finished]


def _ask(active: Sequence[Conversation], drafter: Backend, refiner: Backend, sampling: Sampling) -> list[Completion]:
    """Answers to all conversations, in order: drafts from one model and refinements from the other, a batch each."""
    models = [drafter if conversation.iteration == 0 else refiner for conversation in active]
    answers: dict[int, Completion] = {}
    for model in [drafter] if drafter is refiner else [drafter, refiner]:
        places = [place for place, wanted in enumerate(models) if wanted is model]
        if places:
            completions = model.generate([active[place].request() for place in places], sampling)
            answers.update(zip(places, completions, strict=True))
    return [answers[place] for place in range(len(active))]
