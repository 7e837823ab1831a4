"""Conversation about one problem: a draft, its verdict, a refinement from the feedback, its verdict, and so on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from iterpref_core.config import CodeflowParams
from iterpref_core.execution import Engine, make_program
from iterpref_core.inference.answer_extraction import extract_program
from iterpref_core.inference.backend import Completion, Request, derive_seed
from iterpref_core.inference.codeflow_prompts import draft_prompt, refine_prompt
from iterpref_core.records import UNDECIDED, Attempt, Problem, Trajectory


@dataclass(frozen=True)
class Conversation:
    """Immutable: whoever leads it has `request()` answered, and goes on with what `after(answer, executor)` returns.

    At most `refinements` follow the draft. It ends with a version that passes, with the last refinement, with a prompt
    that the model's server refuses, or with a version that the execution engine could not judge (`infra_error`), since
    that says nothing a refinement could start from. `number` tells conversations about the same problem apart.
    """

    problem: Problem
    params: CodeflowParams
    refinements: int
    number: int = 0
    attempts: tuple[Attempt, ...] = ()
    refused: bool = False

    @property
    def finished(self) -> bool:
        """Whether no further answer is wanted."""
        if self.refused or not self.attempts:
            return self.refused
        return self.attempts[-1].verdict in UNDECIDED or len(self.attempts) > self.refinements

    @property
    def iteration(self) -> int:
        """What the next attempt is called."""
        return self.number + len(self.attempts)

    def request(self) -> Request:
        """What to ask next; its seed depends on the run's seed, the problem and the iteration alone."""
        assert not self.finished
        problem, wording = self.problem, self.params.wording
        if self.attempts:
            last = self.attempts[-1]
            prompt = refine_prompt(problem.prompt, last.code, last.feedback, wording)
        else:
            prompt = draft_prompt(problem.prompt, wording)
        return Request(prompt, derive_seed(self.params.seed, problem.task_id, self.iteration), problem.own_code)

    def after(self, answer: Completion, executor: Engine) -> "Conversation":
        """The conversation continued by an answer, whose program is run. Blocks; may be called from any thread.

        The tests come from the problem's record, which no answer can reach. A program that passes the visible ones is
        run once more, with the hidden ones: what passes only because it recognizes the tests is found there; their
        feedback is kept nowhere. An answer that was cut off at `codeflow.max_new_tokens` is `truncated`, unless its
        program passes all the same.
        """
        assert not self.finished
        problem = self.problem
        code = extract_program(answer.text, problem.entry_point) or ""
        hidden = None
        outcome = executor.run_one(make_program(problem, code, problem.tests))
        if outcome.verdict == "passed" and problem.hidden_tests:
            hidden = executor.run_one(make_program(problem, code, problem.hidden_tests)).verdict
        attempt = Attempt(
            iteration=self.iteration,
            code=code,
            verdict="truncated" if answer.truncated and outcome.verdict not in UNDECIDED else outcome.verdict,
            feedback=outcome.feedback,
            prompt_tokens=answer.prompt_tokens,
            completion_tokens=answer.completion_tokens,
            hidden=hidden,
        )
        return replace(self, attempts=(*self.attempts, attempt))

    def after_refusal(self) -> "Conversation":
        """The conversation ended, because its next prompt is not answered."""
        assert not self.finished
        return replace(self, refused=True)


def open_conversations(problem: Problem, params: CodeflowParams) -> list[Conversation]:
    """What a problem begins with: one conversation to debug it, or with `sampling` one for each sample."""
    if params.source == "debugging":
        return [Conversation(problem, params, params.max_iterations)]
    return [Conversation(problem, params, 0, number) for number in range(params.sampling.samples)]


def trajectory_of(conversations: Sequence[Conversation]) -> Trajectory:
    """The record of all finished conversations about a problem."""
    problem = conversations[0].problem
    attempts = tuple(attempt for conversation in conversations for attempt in conversation.attempts)
    return Trajectory(
        task_id=problem.task_id,
        solved=any(attempt.verdict == "passed" for attempt in attempts),
        attempts=attempts,
        refused=sum(conversation.refused for conversation in conversations) or None,
        tests=problem.tests_digest,
    )
