"""Attempt: a model's answer, made a program with the problem's own tests, which no answer can reach."""

from iterpref_core.execution import Outcome, Program
from iterpref_core.inference.answer_extraction import extract_code
from iterpref_core.inference.backend import Completion
from iterpref_core.records import UNDECIDED, Attempt, Problem, Trajectory


def visible_program(problem: Problem, answer: Completion) -> Program:
    """The answer's program with the problem's visible tests."""
    return Program(code=extract_code(answer.text), tests=problem.tests, setup=problem.setup or "")


def attempt_of(iteration: int, answer: Completion, program: Program, outcome: Outcome) -> Attempt:
    """The record of an answer, its program and the outcome of running that.

    An answer that was cut off at `codeflow.max_new_tokens` is `truncated`, unless its program passes all the same.
    """
    cut = answer.truncated and outcome.verdict not in UNDECIDED
    return Attempt(
        iteration=iteration,
        code=program.code,
        verdict="truncated" if cut else outcome.verdict,
        feedback=outcome.feedback,
        prompt_tokens=answer.prompt_tokens,
        completion_tokens=answer.completion_tokens,
    )


def hidden_program(problem: Problem, attempt: Attempt) -> Program | None:
    """The same program with the hidden tests, or None: it fails the visible ones, or there are no hidden ones.

    What passes the visible tests only because it recognizes them is found here.
    """
    if attempt.verdict != "passed" or not problem.hidden_tests:
        return None
    return Program(code=attempt.code, tests=problem.hidden_tests, setup=problem.setup or "")


def with_hidden(attempt: Attempt, outcome: Outcome) -> Attempt:
    """The attempt with the verdict of the hidden tests; their feedback is kept nowhere."""
    return attempt.model_copy(update={"hidden": outcome.verdict})


def sampled(problem: Problem, attempts: tuple[Attempt, ...], samples: int) -> Trajectory:
    """The trajectory of a problem's samples, of which some may have been refused."""
    return Trajectory(
        task_id=problem.task_id,
        solved=any(attempt.verdict == "passed" for attempt in attempts),
        attempts=attempts,
        refused=samples - len(attempts) or None,
        tests=problem.tests_digest,
    )
