"""Repeated sampling as the source of pairs: many drafts of every problem, each executed, and nothing refined.

The baseline of Code-Optimise (arXiv 2406.12502): a passing and a failing sample of the same problem make a pair. The
samples of a problem are a trajectory whose attempts know nothing of each other: `iteration` counts them. This is for
models in this process, in batches; endpoints are asked by `stream.stream_sampling`.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from time import perf_counter

from iterpref_core.codeflow.attempts import attempt_of, hidden_program, sampled, visible_program, with_hidden
from iterpref_core.codeflow.rollouts import Busy, Lane, Rollout
from iterpref_core.config import CodeflowParams
from iterpref_core.execution import Engine
from iterpref_core.inference.backend import Backend, Request, Sampling, derive_seed
from iterpref_core.inference.codeflow_prompts import draft_prompt
from iterpref_core.records import Attempt, Problem

Draw = tuple[Problem, int]
"""A problem, and which of its samples, from 0."""


def sample_problems(
    problems: Iterable[Problem], drafter: Backend, executor: Engine, params: CodeflowParams
) -> Iterator[Rollout]:
    """Draw and execute `params.sampling.samples` programs of every problem; yields trajectories in the problems' order.

    `params.concurrency` samples are drawn at once, those of the next problem beside the last ones of the one before.
    Each has a seed of its own.
    """
    sampling = Sampling(temperature=params.sampling.temperature, max_new_tokens=params.max_new_tokens)
    draws = ((problem, sample) for problem in problems for sample in range(params.sampling.samples))
    attempts: list[Attempt] = []
    busy = Busy()
    while batch := list(islice(draws, params.concurrency)):
        started = perf_counter()
        answers = drafter.generate([sample_request(*draw, params) for draw in batch], sampling)
        programs = [visible_program(problem, answer) for (problem, _), answer in zip(batch, answers, strict=True)]
        outcomes = executor.run_each(programs, lambda program: program)
        rows = zip(batch, answers, outcomes, strict=True)
        found = [attempt_of(sample, answer, *run) for (_, sample), answer, run in rows]
        found = _with_hidden(batch, found, executor)
        share = (perf_counter() - started) / len(batch)
        for (problem, _), attempt in zip(batch, found, strict=True):
            attempts.append(attempt)
            busy = busy.plus(Lane.DRAFTER, share)
            if len(attempts) == params.sampling.samples:
                yield Rollout(sampled(problem, tuple(attempts), params.sampling.samples), busy)
                attempts, busy = [], Busy()


def sample_request(problem: Problem, sample: int, params: CodeflowParams) -> Request:
    """What to ask for a sample; its seed depends on the run's seed, the problem and the sample alone."""
    seed = derive_seed(params.seed, problem.task_id, sample)
    return Request(draft_prompt(problem.prompt, params.wording), seed, problem.own_code)


def _with_hidden(batch: list[Draw], attempts: list[Attempt], executor: Engine) -> list[Attempt]:
    """The attempts, those that pass with the verdicts of the hidden tests."""
    hidden = {
        place: program
        for place, ((problem, _), attempt) in enumerate(zip(batch, attempts, strict=True))
        if (program := hidden_program(problem, attempt)) is not None
    }
    outcomes = {place: outcome for (place, _), outcome in executor.run_each(hidden.items(), lambda item: item[1])}
    return [
        with_hidden(attempt, outcomes[place]) if place in outcomes else attempt
        for place, attempt in enumerate(attempts)
    ]
