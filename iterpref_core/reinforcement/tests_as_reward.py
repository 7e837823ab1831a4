"""Tests as a reward: 1 for an answer whose program passes all tests of its problem, else 0."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from iterpref_core.execution import Engine, Program, program_of
from iterpref_core.records import Problem, Sample, Verdict
from iterpref_core.reinforcement.rendered_prompts import RenderedPrompts


class TestsAsReward:
    """The reward of answers: their programs, run in isolation against visible and hidden tests.

    Args:
        problems: task_id → problem.
        prompts: finds the program in an answer.
        executor: runs programs.
    """

    def __init__(self, problems: Mapping[str, Problem], prompts: RenderedPrompts, executor: Engine) -> None:
        self._problems = problems
        self._prompts = prompts
        self._executor = executor

    def passes_tests(
        self,
        completion_ids: Sequence[Sequence[int]],
        task_id: Sequence[str],
        log_metric: Callable[[str, float], None],
        **_: Any,
    ) -> list[float | None]:
        """Return the reward of each answer, in order; the signature is TRL's for reward functions.

        Args:
            completion_ids: token ids of the answers.
            task_id: the problem of each answer.
            log_metric: takes `unjudged`, the share of answers that the engine could not judge.
        """
        programs = []
        for name, answer in zip(task_id, completion_ids, strict=True):
            programs.append(self._program(name, answer))
        rewards = []
        for _program, outcome in self._executor.run_each(programs, lambda program: program):
            rewards.append(reward_of(outcome.verdict))
        log_metric("unjudged", rewards.count(None) / len(rewards))
        return rewards

    def _program(self, name: str, answer: Sequence[int]) -> Program:
        problem = self._problems[name]
        code = self._prompts.program(problem, answer)
        return program_of(problem, Sample(task_id=name, solution=code))


def reward_of(verdict: Verdict) -> float | None:
    """Return the reward of a verdict; None for one that says nothing about the program, which GRPO then leaves out.

    >>> reward_of("passed"), reward_of("timeout"), reward_of("infra_error")
    (1.0, 0.0, None)
    """
    if verdict == "infra_error":
        return None
    return float(verdict == "passed")
