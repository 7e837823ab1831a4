"""Dialogues: a model answers a problem, reads the feedback of a program that fails, and answers again.

This is CodeFlow's loop, with CodeFlow's prompts, as the environment of TRL's GRPO. A dialogue is a row of TRL's batch:

    prompt | answer | task, program, feedback | answer
             loss     no loss                   loss

The visible tests give the feedback, as in CodeFlow, and decide whether there is a next turn. All rewards are those of
the last answer, so every answer of a dialogue moves by the advantage of its end.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from iterpref_core.codeflow.conversation import Conversation
from iterpref_core.config import TrainingParams, Wording
from iterpref_core.execution import Engine
from iterpref_core.inference.backend import Completion
from iterpref_core.inference.ends import CUT, FINISHED
from iterpref_core.models.prompt_tokens import EncodedPrompt
from iterpref_core.records import Problem
from iterpref_core.reinforcement.rendered_prompts import RenderedPrompts

LAST_ANSWERS = "last_answers"
"""The keyword of a reward function that holds the last answer of each dialogue."""
WORDING: Wording = "terse"
"""The wording of CodeFlow's prompts whose draft is the problem's own prompt, as in evaluation."""

Draw = Callable[[list[list[int]]], list[list[int]]]
"""Texts → the model's answers, all as token ids."""


@dataclass(frozen=True)
class Turn:
    """An answer of a dialogue.

    Attributes:
        start: the place of its first token behind the first prompt.
        ids: its token ids, with the end token, if the model wrote one.
        text: the answer, without what the template writes around it.
    """

    start: int
    ids: list[int]
    text: str


@dataclass
class Dialogue:
    """A dialogue about one problem.

    Attributes:
        conversation: CodeFlow's: the problem, the programs so far, and their feedback.
        asked: the prompt of the next answer, or of the last one.
        opening: token ids of the first prompt.
        ids: the tokens behind it.
        mask: 1 for those of them that the model wrote, 0 for the others.
        turns: the answers.
    """

    conversation: Conversation
    asked: EncodedPrompt
    opening: list[int]
    ids: list[int] = field(default_factory=list)
    mask: list[int] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)


class Dialogues:
    """The dialogues of a batch, led to their ends.

    Args:
        params: the section `training`.
        problems: task_id → problem.
        prompts: the form in which the model reads them.
        executor: runs programs.

    Attributes:
        rows: the dialogues of the last batch, in its order.
    """

    def __init__(
        self, params: TrainingParams, problems: Mapping[str, Problem], prompts: RenderedPrompts, executor: Engine
    ) -> None:
        self._params = params
        self._problems = problems
        self._prompts = prompts
        self._executor = executor
        self.rows: list[Dialogue] = []

    def lead(self, tasks: Sequence[str], draw: Draw) -> dict[str, Any]:
        """Answer problems until every dialogue has ended.

        Args:
            tasks: the problem of each row.
            draw: returns the model's answers to texts, all as token ids.

        Returns:
            The result of a rollout function of TRL: `prompt_ids`, `completion_ids`, `logprobs`, `env_mask`, and
            `LAST_ANSWERS` for the rewards.
        """
        self.rows = [self._open(self._problems[task]) for task in tasks]
        waiting = self.rows
        while waiting:
            answers = draw([row.opening + row.ids for row in waiting])
            answered = list(zip(waiting, answers, strict=True))
            waiting = [row for _, row in self._executor.each(answered, self._judge) if self._ask_again(row)]
        return {
            "prompt_ids": [row.opening for row in self.rows],
            "completion_ids": [row.ids for row in self.rows],
            "logprobs": None,
            "env_mask": [row.mask for row in self.rows],
            LAST_ANSWERS: [row.turns[-1] for row in self.rows],
        }

    @property
    def metrics(self) -> dict[str, float]:
        """The mean number of answers in a dialogue, and the share of dialogues that had no room for another one."""
        turns = sum(len(row.turns) for row in self.rows)
        cut = sum(not row.conversation.finished for row in self.rows)
        return {"turns": turns / len(self.rows), "turns/no_room": cut / len(self.rows)}

    def _open(self, problem: Problem) -> Dialogue:
        conversation = Conversation(problem, WORDING, self._params.seed, refinements=self._params.grpo.turns - 1)
        asked = self._prompts.first(problem)
        return Dialogue(conversation, asked, asked.ids)

    def _judge(self, answered: tuple[Dialogue, list[int]]) -> Dialogue:
        """Put an answer behind a dialogue, and run its program."""
        row, ids = answered
        turn = Turn(len(row.ids), ids, self._prompts.read(ids, row.asked))
        answer = Completion(turn.text, 0, len(ids), FINISHED if self._prompts.has_end(ids) else CUT)
        row.conversation = row.conversation.after(answer, self._executor)
        row.ids = row.ids + ids
        row.mask = row.mask + [1] * len(ids)
        row.turns.append(turn)
        return row

    def _ask_again(self, row: Dialogue) -> bool:
        """Put the next prompt behind a dialogue, and return True; False if it has ended, or has no room for a turn."""
        if row.conversation.finished:
            return False
        asked = self._prompts.following(
            row.conversation.problem,
            row.conversation.request().prompt,
            ended=self._prompts.has_end(row.turns[-1].ids),
        )
        length = len(row.opening) + len(row.ids) + len(asked.ids) + self._params.grpo.max_new_tokens
        if length > self._params.max_length:
            return False
        row.asked = asked
        row.ids = row.ids + asked.ids
        row.mask = row.mask + [0] * len(asked.ids)
        return True
