"""Debugging conversation of one problem: an immutable state machine without input or output.

Whatever drives it (rounds of batches, or one coroutine per problem) repeats three steps until it is finished: have
`request()` answered, have `program(answer)` executed, continue with `after(answer, program, outcome)`. Then it has
`hidden_program()` executed, if there is one, and continues with `after_hidden(outcome)`.
"""

from dataclasses import dataclass, replace

from iterpref_core.codeflow.attempts import attempt_of, hidden_program, visible_program, with_hidden
from iterpref_core.config import Wording
from iterpref_core.execution import Outcome, Program
from iterpref_core.inference.backend import Completion, Request, derive_seed
from iterpref_core.inference.codeflow_prompts import draft_prompt, refine_prompt
from iterpref_core.records import Attempt, Problem, Trajectory


@dataclass(frozen=True)
class Conversation:
    """Draft → verdict → refinement from the feedback → verdict, and so on.

    Iteration 0 is the draft; at most `max_iterations` refinements follow. It ends with a version that passes, with
    the last refinement, with a prompt that the model's server refuses, or with a version that the execution engine
    could not judge (`infra_error`), since that says nothing a refinement could start from.
    """

    problem: Problem
    max_iterations: int
    seed: int
    wording: Wording = "terse"
    attempts: tuple[Attempt, ...] = ()
    refused: bool = False

    @property
    def iteration(self) -> int:
        """The iteration that the next answer belongs to."""
        return len(self.attempts)

    @property
    def solved(self) -> bool:
        """Whether the last version passes all visible tests."""
        return bool(self.attempts) and self.attempts[-1].verdict == "passed"

    @property
    def finished(self) -> bool:
        """Whether no further answer is wanted."""
        if self.refused or not self.attempts:
            return self.refused
        return self.attempts[-1].verdict in ("passed", "infra_error") or self.iteration > self.max_iterations

    def request(self) -> Request:
        """What to ask next; its seed depends on the run's seed, the problem and the iteration alone."""
        assert not self.finished
        seed = derive_seed(self.seed, self.problem.task_id, self.iteration)
        if not self.attempts:
            return Request(draft_prompt(self.problem.prompt, self.wording), seed, self.problem.own_code)
        last = self.attempts[-1]
        prompt = refine_prompt(self.problem.prompt, last.code, last.feedback, self.wording)
        return Request(prompt, seed, self.problem.own_code)

    def program(self, answer: Completion) -> Program:
        """The answer's program with the problem's visible tests, which no answer can change; hidden ones stay out."""
        return visible_program(self.problem, answer)

    def after(self, answer: Completion, program: Program, outcome: Outcome) -> "Conversation":
        """The conversation continued by an answer, its program and the outcome of running that."""
        assert not self.finished
        attempt = attempt_of(self.iteration, answer, program, outcome)
        return replace(self, attempts=(*self.attempts, attempt))

    def after_refusal(self) -> "Conversation":
        """The conversation ended, because its next prompt is not answered."""
        assert not self.finished
        return replace(self, refused=True)

    def hidden_program(self) -> Program | None:
        """The final version with the hidden tests, if it passes the visible ones and there are hidden ones."""
        return hidden_program(self.problem, self.attempts[-1]) if self.finished and self.attempts else None

    def after_hidden(self, outcome: Outcome) -> "Conversation":
        """The conversation with what the hidden tests say about its final version."""
        return replace(self, attempts=(*self.attempts[:-1], with_hidden(self.attempts[-1], outcome)))

    def trajectory(self) -> Trajectory:
        """The record of a finished conversation."""
        assert self.finished
        return Trajectory(
            task_id=self.problem.task_id,
            solved=self.solved,
            attempts=self.attempts,
            refused=1 if self.refused else None,
            tests=self.problem.tests_digest,
        )
