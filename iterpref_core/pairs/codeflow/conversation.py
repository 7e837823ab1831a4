"""Hold one conversation about a problem, with a draft, its verdict, a refinement from the feedback, and so on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from iterpref_core.execution import Engine, make_program
from iterpref_core.models.inference.backend import Completion, Request
from iterpref_core.models.prompts.codeflow_prompts import draft_prompt, refine_prompt
from iterpref_core.programs.answers.extraction import extract_program
from iterpref_core.programs.source_code.tested_names import tested_names
from iterpref_core.records import UNDECIDED, Attempt, CodeflowParams, Problem, Trajectory, derive_seed

Names = tuple[str | None, str | None]
"""The names of the models that draft and refine; of a folder its own name without the path."""


@dataclass(frozen=True)
class Conversation:
    """A conversation about a problem; immutable, so that each answer makes a new one.

    In short, the loop of CodeFlow is

        while not conversation.finished:
            answer = await model.answer(conversation.request(), sampling)
            conversation = conversation.after(answer, executor)

    A conversation is finished after a version that passes, after the last refinement, when an answer is missing, or
    after a version without a verdict (`infra_error`), which has no feedback to refine from.

    Attributes:
        problem: the problem.
        params: the loop's settings.
        names: of the models, for the record.
        number: index of the sample; 0 for debugging.
        attempts: the versions so far.
        missing: the reason why the last answer is missing; "" if it is not.
    """

    problem: Problem
    params: CodeflowParams
    names: Names = (None, None)
    number: int = 0
    attempts: tuple[Attempt, ...] = ()
    missing: str = ""

    @property
    def finished(self) -> bool:
        """Return True if no further answer is needed."""
        if self.missing or not self.attempts:
            return bool(self.missing)
        refinements = 0 if self.params.source == "sampling" else self.params.max_iterations
        shows_no_failure = self.attempts[-1].verdict in UNDECIDED
        return shows_no_failure or len(self.attempts) > refinements

    @property
    def iteration(self) -> int:
        """Return the number of the next attempt."""
        return self.number + len(self.attempts)

    def request(self) -> Request:
        """Return the next request; its seed depends on the run's seed, the problem and the iteration alone."""
        assert not self.finished
        problem = self.problem
        if self.attempts:
            last = self.attempts[-1]
            prompt = refine_prompt(problem.prompt, last.code, last.feedback, self.params.wording)
        else:
            prompt = draft_prompt(problem.prompt, self.params.wording)
        seed = derive_seed(self.params.seed, problem.task_id, self.iteration)
        return Request(prompt, seed, problem.own_code)

    def after(self, answer: Completion, executor: Engine) -> "Conversation":
        """Run an answer's program and return the conversation with this attempt. Blocks; any thread may call.

        The tests come from the problem's record, which no answer can reach. A program that passes the visible tests is
        run once more, with the hidden ones, which fail a program that only recognizes the visible tests; feedback from
        hidden tests is not kept. An answer that was cut off at `codeflow.max_new_tokens` has the verdict `truncated`,
        unless its program passes all the same. A missing answer ends the conversation.
        """
        assert not self.finished
        if answer.missing:
            return replace(self, missing=answer.missing)
        problem = self.problem
        code = extract_program(answer.text, problem.entry_point, tested_names(problem.tests)) or ""
        hidden = None
        outcome = executor.run_one(make_program(problem, code, problem.tests))
        inside = outcome.inside
        verdict = outcome.verdict
        if answer.truncated and verdict not in UNDECIDED:
            verdict = "truncated"
        if outcome.verdict == "passed" and problem.hidden_tests:
            hidden_outcome = executor.run_one(make_program(problem, code, problem.hidden_tests))
            hidden = hidden_outcome.verdict
            inside += hidden_outcome.inside
        attempt = Attempt(
            iteration=self.iteration,
            code=code,
            verdict=verdict,
            feedback=outcome.feedback,
            inside=inside,
            prompt_tokens=answer.prompt_tokens,
            completion_tokens=answer.completion_tokens,
            hidden=hidden,
            model=self.names[bool(self.attempts)],
        )
        return replace(self, attempts=(*self.attempts, attempt))


def trajectory_of(conversations: Sequence[Conversation]) -> Trajectory:
    """Return the record of all finished conversations about a problem."""
    problem = conversations[0].problem
    attempts: tuple[Attempt, ...] = ()
    for conversation in conversations:
        attempts += conversation.attempts
    return Trajectory(
        task_id=problem.task_id,
        solved=any(attempt.verdict == "passed" for attempt in attempts),
        attempts=attempts,
        missing=tuple(conversation.missing for conversation in conversations if conversation.missing) or None,
        tests=problem.tests_digest,
        provenance=problem.provenance,
    )
