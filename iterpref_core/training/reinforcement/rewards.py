"""Rewards of answers: the tests of their problems, run in isolation, and what else `training.grpo.rewards` weighs.

- `passes_tests`: 1 for a program that passes all tests, else 0
- `share_of_tests`: the share of its tests that a program passes
- `format`: 1 for an answer in the form that `training.answer` names, else 0
- `length`: 0, and for an answer that comes near the limit of its length less, down to -1

Others are the user's own functions: see `own_rewards`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

from trl.rewards import get_soft_overlong_punishment

from iterpref_core.execution import Engine, Outcome, make_program, program_of
from iterpref_core.models.pretrained.chat_template import render_answer
from iterpref_core.programs.answers.extraction import extract_program
from iterpref_core.programs.answers.reasoning import without_reasoning
from iterpref_core.programs.source_code.syntax_tree import parse_source
from iterpref_core.records import Problem, Verdict
from iterpref_core.records.config import AnswerFormat, TrainingParams
from iterpref_core.records.errors import ConfigError
from iterpref_core.training.reinforcement.own_rewards import OwnReward
from iterpref_core.training.reinforcement.rendered_prompts import RenderedPrompts

PASSES = "passes_tests"
SHARE = "share_of_tests"
FORMAT = "format"
LENGTH = "length"
REWARDS = (PASSES, SHARE, FORMAT, LENGTH)
"""The names of this project's rewards."""

_OTHERS_CAN_PASS: frozenset[Verdict] = frozenset({"wrong_answer", "bad_return_type", "exception"})
"""Verdicts on one test after which the tests behind it are run. A program that was ended, or reached for its tests, has
failed those, too: twelve tests of an endless loop would take twelve times the limit."""


@dataclass(frozen=True)
class Judged:
    """An answer, its program, and the verdict on that.

    Attributes:
        text: the answer, without what the template writes around it.
        ids: its token ids, with the end token, if the model wrote one.
        program: "" if the answer holds none.
        verdict: None where tests are no reward.
        share: of tests that the program passes, if that is a reward.
    """

    text: str
    ids: Sequence[int]
    program: str
    verdict: Verdict | None = None
    share: float = 0.0


class Rewards:
    """The rewards of answers; an answer that the engine could not judge has none of them, and GRPO leaves it out.

    Args:
        params: the section `training`.
        problems: task_id → problem.
        prompts: finds the program in an answer.
        executor: runs programs.
        own: the user's functions by their paths.

    Attributes:
        functions: one for each name in `training.grpo.rewards`, in that order, with TRL's signature.
    """

    def __init__(
        self,
        params: TrainingParams,
        problems: Mapping[str, Problem],
        prompts: RenderedPrompts,
        executor: Engine,
        own: Mapping[str, OwnReward],
    ) -> None:
        self._style: AnswerFormat = params.answer
        self._longest = params.grpo.max_new_tokens
        self._names = tuple(params.grpo.rewards)
        self._problems = problems
        self._prompts = prompts
        self._executor = executor
        self._own = own
        self._asked: tuple[list[str], list[list[int]]] = ([], [])
        self._judged: list[Judged] = []
        self.functions = [_Function(self, name) for name in self._names]

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
        if name == FORMAT:
            return [float(has_format(one.text, self._style)) for one in judged]
        if name == LENGTH:
            return too_long([one.ids for one in judged], self._longest)
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
            read.append((problem, Judged(text, ids, extract_program(text, problem.entry_point) or "")))
        if PASSES in self._names or SHARE in self._names:
            self._judged = [one for _, one in self._executor.each(read, self._run)]
        else:
            self._judged = [one for _, one in read]
        self._asked = asked
        return self._judged

    def _run(self, item: tuple[Problem, Judged]) -> Judged:
        """Run the program of an answer against its tests, visible and hidden."""
        problem, read = item
        outcome = self._executor.run_one(program_of(problem, read.program))
        if SHARE not in self._names:
            return replace(read, verdict=outcome.verdict)
        if outcome.verdict == "passed":
            return replace(read, verdict="passed", share=1.0)
        return self._with_share(problem, read, outcome)

    def _with_share(self, problem: Problem, read: Judged, outcome: Outcome) -> Judged:
        """Return a failing answer with the share of tests that its program passes.

        The tests before the first failure have passed; those behind it run one by one.
        """
        verdict = outcome.verdict
        passed = outcome.tests_passed
        last = verdict
        for test in (problem.tests + problem.hidden_tests)[outcome.tests_passed + 1 :]:
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


class _Function:
    """One reward, as TRL calls it; TRL names the columns of the curve by `__name__`."""

    def __init__(self, rewards: Rewards, name: str) -> None:
        self._rewards = rewards
        self._name = name
        self.__name__ = name.replace(":", ".")

    def __call__(self, **given: Any) -> list[float | None]:
        return self._rewards.compute(self._name, **given)


def reward_of(verdict: Verdict | None) -> float:
    """Return the reward of a verdict.

    >>> reward_of("passed"), reward_of("timeout")
    (1.0, 0.0)
    """
    return float(verdict == "passed")


def has_format(answer: str, style: AnswerFormat) -> bool:
    r"""Return True if an answer, behind its reasoning, is one program in the form that models are trained to give.

    Args:
        answer: a model's text.
        style: `bare`, the program alone, or `fenced`.

    >>> has_format("x = f(1)\n", "bare"), has_format("Sure: x = f(1)", "bare"), has_format("def f(:", "bare")
    (True, False, False)
    >>> has_format("```python\nx = f(1)\n```", "fenced"), has_format("x = f(1)", "fenced")
    (True, False)
    """
    text = without_reasoning(answer).strip()
    program = extract_program(text)
    if program is None:
        return False
    try:
        parse_source(program)
    except SyntaxError:
        return False
    return render_answer(program.strip(), style)[0] == text


def too_long(answers: Sequence[Sequence[int]], longest: int) -> list[float]:
    """Return the rewards of lengths: DAPO's soft overlong punishment (arXiv 2503.14476, equation 13).

    Args:
        answers: token ids.
        longest: tokens that an answer may have. Up to four fifths of them, as in DAPO, an answer loses nothing.

    >>> too_long([[7] * 80, [7] * 90, [7] * 100], longest=100)
    [0.0, -0.5, -1.0]
    """
    punishment: Callable[..., list[float]] = get_soft_overlong_punishment(longest, longest // 5)
    return punishment(completion_ids=answers)


def _checked(name: str, returned: Any, answers: int) -> list[float | None]:
    """Return what a function of the user's returned, as numbers.

    Raises:
        ConfigError: it is not one finite number or None for each answer.
    """
    where = f"params.yaml: training.grpo.rewards: {name}"
    try:
        rewards = [None if reward is None else float(reward) for reward in returned]
    except (TypeError, ValueError):
        raise ConfigError(f"{where}: returned {returned!r:.80}; return a list with a number for each answer") from None
    if len(rewards) != answers:
        raise ConfigError(f"{where}: returned {len(rewards)} rewards for {answers} answers; return one for each")
    if not all(reward is None or isfinite(reward) for reward in rewards):
        raise ConfigError(f"{where}: returned a reward that is no finite number; return None where there is none")
    return rewards
