"""Sampling as the source of pairs: many drafts of every problem, each executed, and nothing refined.

The baseline of Code-Optimise (arXiv 2406.12502): a passing and a failing sample of the same problem make a pair. The
samples of a problem are a trajectory whose attempts know nothing of each other: `iteration` counts them.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from iterpref_core.config import CodeflowParams
from iterpref_core.debugging.answers import Answer, AnswerLog
from iterpref_core.debugging.seeds import derive_seed
from iterpref_core.execution import Program, ProgramRunner
from iterpref_core.inference.backend import Backend, Request, Sampling
from iterpref_core.inference.prompts import extract_code
from iterpref_core.inference.turns import draft_prompt
from iterpref_core.records import Attempt, Problem, Trajectory

Draw = tuple[Problem, int]
"""A problem, and which of its samples, from 0."""


def sample_problems(
    problems: Iterable[Problem], drafter: Backend, executor: ProgramRunner, params: CodeflowParams, answers: AnswerLog
) -> Iterator[Trajectory]:
    """Draw and execute `params.sampling.samples` programs of every problem; yields trajectories in the problems' order.

    `params.concurrency` samples are drawn at once, those of the next problem beside the last ones of the one before.
    Each has a seed of its own. An answer is stored before its program is run, and one that is stored already is not
    asked for again.
    """
    sampling = Sampling(temperature=params.sampling.temperature, max_new_tokens=params.max_new_tokens)
    draws = ((problem, sample) for problem in problems for sample in range(params.sampling.samples))
    attempts: list[Attempt] = []
    while batch := list(islice(draws, params.concurrency)):
        _ask(batch, drafter, sampling, params.seed, answers)
        found = [answers.pop(problem.task_id, sample) for problem, sample in batch]
        programs = [
            Program(code=extract_code(answer.text), tests=problem.tests, setup=problem.setup or "")
            for (problem, _), answer in zip(batch, found, strict=True)
        ]
        rows = zip(batch, found, programs, executor.run(programs), strict=True)
        for (problem, sample), answer, program, outcome in rows:
            attempts.append(
                Attempt(
                    iteration=sample,
                    code=program.code,
                    verdict=outcome.verdict,
                    feedback=outcome.feedback,
                    prompt_tokens=answer.prompt_tokens,
                    completion_tokens=answer.completion_tokens,
                )
            )
            if len(attempts) == params.sampling.samples:
                solved = any(attempt.verdict == "passed" for attempt in attempts)
                yield Trajectory(task_id=problem.task_id, solved=solved, attempts=tuple(attempts))
                attempts = []


def _ask(batch: Sequence[Draw], drafter: Backend, sampling: Sampling, seed: int, answers: AnswerLog) -> None:
    """Have the answers that are not there yet; the seed depends on the run's seed, the problem and the sample alone."""
    wanted = [(problem, sample) for problem, sample in batch if (problem.task_id, sample) not in answers]
    if not wanted:
        return
    requests = [
        Request(draft_prompt(problem.prompt), derive_seed(seed, problem.task_id, sample)) for problem, sample in wanted
    ]
    for (problem, sample), completion in zip(wanted, drafter.generate(requests, sampling), strict=True):
        answers.append(
            Answer(
                task_id=problem.task_id,
                sample=sample,
                text=completion.text,
                prompt_tokens=completion.prompt_tokens,
                completion_tokens=completion.completion_tokens,
            )
        )
