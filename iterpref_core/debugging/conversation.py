"""One problem's debugging conversation, as an immutable state machine without input or output.

Whatever drives it (rounds of batches, or one coroutine per problem) repeats three steps until it is finished: have
`request()` answered, have `program(answer)` executed, continue with `after(answer, program, outcome)`.
"""

from dataclasses import dataclass, replace

from iterpref_core.debugging.seeds import derive_seed
from iterpref_core.execution import Outcome, Program
from iterpref_core.inference.backend import Completion, Request
from iterpref_core.inference.prompts import extract_code
from iterpref_core.inference.turns import draft_prompt, refine_prompt
from iterpref_core.records import Attempt, Problem, Trajectory


@dataclass(frozen=True)
class Conversation:
    """Draft → verdict → refinement from the feedback → verdict, and so on.

    Iteration 0 is the draft; at most `max_iterations` refinements follow. It ends with a version that passes, with
    the last refinement, or with a version that the execution engine could not judge (`infra_error`), since that
    says nothing a refinement could start from.
    """

    problem: Problem
    max_iterations: int
    seed: int
    attempts: tuple[Attempt, ...] = ()

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
        if not self.attempts:
            return False
        return self.attempts[-1].verdict in ("passed", "infra_error") or self.iteration > self.max_iterations

    def request(self) -> Request:
        """What to ask next; its seed depends on the run's seed, the problem and the iteration alone."""
        assert not self.finished
        seed = derive_seed(self.seed, self.problem.task_id, self.iteration)
        if not self.attempts:
            return Request(draft_prompt(self.problem.prompt), seed)
        last = self.attempts[-1]
        return Request(refine_prompt(self.problem.prompt, last.code, last.feedback), seed)

    def program(self, answer: Completion) -> Program:
        """The answer's program with the problem's visible tests, which no answer can change; hidden ones stay out."""
        return Program(code=extract_code(answer.text), tests=self.problem.tests, setup=self.problem.setup or "")

    def after(self, answer: Completion, program: Program, outcome: Outcome) -> "Conversation":
        """The conversation continued by an answer, its program and the outcome of running that."""
        assert not self.finished
        attempt = Attempt(
            iteration=self.iteration,
            code=program.code,
            verdict=outcome.verdict,
            feedback=outcome.feedback,
            prompt_tokens=answer.prompt_tokens,
            completion_tokens=answer.completion_tokens,
        )
        return replace(self, attempts=(*self.attempts, attempt))

    def trajectory(self) -> Trajectory:
        """The record of a finished conversation."""
        assert self.finished
        return Trajectory(task_id=self.problem.task_id, solved=self.solved, attempts=self.attempts)
