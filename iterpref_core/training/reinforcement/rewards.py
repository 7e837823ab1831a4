"""Rewards of answers: the tests of their problems, run in isolation.

- `passes_tests`: 1 for a program that passes all tests, else 0
- `share_of_tests`: the share of its tests that a program passes

Others are the user's own functions: see `own_rewards`.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

from iterpref_core.execution import Engine, make_program, program_of
from iterpref_core.programs.answers.extraction import extract_program
from iterpref_core.records import Problem, Verdict
from iterpref_core.records.errors import ConfigError
from iterpref_core.training.reinforcement.own_rewards import OwnReward
from iterpref_core.training.reinforcement.rendered_prompts import RenderedPrompts

PASSES = "passes_tests"
SHARE = "share_of_tests"
REWARDS = (PASSES, SHARE)
"""The names of this project's rewards."""

_OTHERS_CAN_PASS: frozenset[Verdict] = frozenset({"wrong_answer", "bad_return_type", "exception"})
"""Verdicts on one test after which the tests behind it are run. A program that was ended, or reached for its tests, has
failed those, too: twelve tests of an endless loop would take twelve times the limit."""


@dataclass(frozen=True)
class Judged:
    """The program of an answer, and the verdict on that.

    Attributes:
        program: "" if the answer holds none.
        verdict: None where tests are no reward.
        share: of tests that the program passes, if that is a reward.
    """

    program: str
    verdict: Verdict | None = None
    share: float = 0.0


class Rewards:
    """The rewards of answers; an answer that the engine could not judge has none of them, and GRPO leaves it out.

    Args:
        weights: `training.grpo.rewards`: name → weight.
        problems: task_id → problem.
        prompts: finds the program in an answer.
        executor: runs programs.
        own: the user's functions by their paths.

    Attributes:
        functions: one for each name in `weights`, in that order, with TRL's signature.
    """

    def __init__(
        self,
        weights: Mapping[str, float],
        problems: Mapping[str, Problem],
        prompts: RenderedPrompts,
        executor: Engine,
        own: Mapping[str, OwnReward],
    ) -> None:
        self._names = tuple(weights)
        self._problems = problems
        self._prompts = prompts
        self._executor = executor
        self._own = own
        self._asked: tuple[list[str], list[list[int]]] = ([], [])
        self._judged: list[Judged] = []
        self.functions = [self._function(name) for name in self._names]

    def _function(self, name: str) -> Any:
        """Return one reward as TRL calls it; TRL names the columns of the curve by `__name__`."""

        def reward(**given: Any) -> list[float | None]:
            return self.compute(name, **given)

        reward.__name__ = name.replace(":", ".")
        return reward

    def compute(self, name: str, **given: Any) -> list[float | None]:
        """Return one reward of each answer, in order.

        Args:
            name: of the reward, or its path.
            **given: the keywords of TRL; of them `completion_ids`, the token ids of the answers, `task_id`, the problem
                of each answer, and `log_metric`, which takes `unjudged`: the share that the engine could not judge.

        Raises:
            ConfigError: a function of the user's returns something other than a finite number or None for each answer.
        """
        judged = self._judge(given["task_id"], given["completion_ids"])
        unjudged = [one.verdict == "infra_error" for one in judged]
        if name == self._names[0]:
            given["log_metric"]("unjudged", sum(unjudged) / len(unjudged))
        rewards: list[float | None] = []
        for reward, without in zip(self._values(name, judged, given), unjudged, strict=True):
            rewards.append(None if without else reward)
        return rewards

    def _values(self, name: str, judged: Sequence[Judged], given: Mapping[str, Any]) -> Sequence[float | None]:
        if name == PASSES:
            return [reward_of(one.verdict) for one in judged]
        if name == SHARE:
            return [one.share for one in judged]
        problems = [self._problems[task] for task in given["task_id"]]
        returned = self._own[name](**given, programs=[one.program for one in judged], problems=problems)
        return _checked(name, returned, len(judged))

    def _judge(self, tasks: Sequence[str], answers: Sequence[Sequence[int]]) -> list[Judged]:
        """Return answers with the verdicts on them; TRL calls one function after the other with the same answers."""
        asked = (list(tasks), [list(ids) for ids in answers])
        if asked == self._asked:
            return self._judged
        read = []
        for task, ids in zip(*asked, strict=True):
            problem = self._problems[task]
            text = self._prompts.read(ids, self._prompts.first(problem))
            read.append((problem, Judged(extract_program(text, problem.entry_point) or "")))
        if PASSES in self._names or SHARE in self._names:
            self._judged = [one for _, one in self._executor.each(read, self._run)]
        else:
            self._judged = [one for _, one in read]
        self._asked = asked
        return self._judged

    def _run(self, item: tuple[Problem, Judged]) -> Judged:
        """Run the program of an answer against its tests, visible and hidden.

        For the share, the tests before the first failure have passed; those behind it run one by one.
        """
        problem, read = item
        outcome = self._executor.run_one(program_of(problem, read.program))
        verdict = last = outcome.verdict
        if verdict == "passed" or SHARE not in self._names:
            return replace(read, verdict=verdict, share=reward_of(verdict))
        passed = outcome.tests_passed
        for test in (problem.tests + problem.hidden_tests)[passed + 1 :]:
            if last != "passed" and last not in _OTHERS_CAN_PASS:
                break
            last = self._executor.run_one(make_program(problem, read.program, (test,))).verdict
            passed += last == "passed"
        if last == "infra_error":
            verdict = last
        if last == "tampered":
            passed = 0
        # A program that printed too much may have passed each test, and has still failed.
        share = min(passed, outcome.tests_total - 1) / outcome.tests_total
        return replace(read, verdict=verdict, share=share)


def reward_of(verdict: Verdict | None) -> float:
    """Return the reward of a verdict.

    >>> reward_of("passed"), reward_of("timeout")
    (1.0, 0.0)
    """
    return float(verdict == "passed")


def _checked(name: str, returned: Any, answers: int) -> list[float | None]:
    """Return what a function of the user's returned, as numbers.

    Raises:
        ConfigError: it is not one finite number or None for each answer.
    """
    rewards: list[float | None] = []
    with suppress(TypeError, ValueError):
        rewards = [None if reward is None else float(reward) for reward in returned]
    if len(rewards) != answers or not all(reward is None or isfinite(reward) for reward in rewards):
        raise ConfigError(
            f"params.yaml: training.grpo.rewards: {name}: returned {returned!r:.80}; return a list with a finite "
            f"number or None for each of the {answers} answers"
        )
    return rewards
