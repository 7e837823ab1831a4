"""The state machine of one debugging conversation."""

import doctest

import pytest

from iterpref_core.codeflow.conversation import Conversation
from iterpref_core.execution import Outcome
from iterpref_core.inference import backend as seeds
from iterpref_core.inference.backend import Completion
from iterpref_core.inference.codeflow_prompts import refine_prompt
from iterpref_core.records import IoTest, Problem, Verdict

PROBLEM = Problem(
    task_id="t1",
    prompt="Add one.",
    entry_point="f",
    tests=(IoTest(call="f(1)", expected="2"),),
    hidden_tests=(IoTest(call="f(8)", expected="9"),),
)


def step(
    conversation: Conversation, text: str, verdict: Verdict, feedback: str = "", *, truncated: bool = False
) -> Conversation:
    answer = Completion(text, prompt_tokens=3, completion_tokens=2, truncated=truncated)
    outcome = Outcome(
        verdict=verdict, feedback=feedback, tests_passed=0, tests_total=1, isolation="test", cpu_s=0.0, wall_s=0.0
    )
    return conversation.after(answer, conversation.program(answer), outcome)


def test_docstring_example() -> None:
    assert doctest.testmod(seeds).failed == 0


def test_a_draft_that_passes_ends_it() -> None:
    conversation = step(Conversation(PROBLEM, max_iterations=5, seed=1), "good", "passed")
    assert conversation.finished
    assert conversation.trajectory().solved
    assert [attempt.iteration for attempt in conversation.trajectory().attempts] == [0]


def test_a_refinement_sees_the_last_version_and_its_feedback() -> None:
    conversation = Conversation(PROBLEM, max_iterations=5, seed=1)
    assert conversation.request().prompt == "Add one."
    conversation = step(conversation, "bad", "wrong_answer", "f(1) gave 0")
    assert conversation.request().prompt == refine_prompt("Add one.", "bad", "f(1) gave 0")
    conversation = step(conversation, "```python\nworse\n```", "exception", "NameError")
    assert conversation.request().prompt == refine_prompt("Add one.", "worse\n", "NameError")


def test_it_ends_unsolved_after_the_draft_and_five_refinements() -> None:
    conversation = Conversation(PROBLEM, max_iterations=5, seed=1)
    calls = 0
    while not conversation.finished:
        conversation = step(conversation, f"bad = {calls}", "wrong_answer", "no")
        calls += 1
    assert calls == 6
    trajectory = conversation.trajectory()
    assert not trajectory.solved
    assert [(attempt.iteration, attempt.code) for attempt in trajectory.attempts] == [
        (i, f"bad = {i}") for i in range(6)
    ]
    assert {attempt.feedback for attempt in trajectory.attempts} == {"no"}


def test_without_refinements_the_draft_is_all() -> None:
    assert step(Conversation(PROBLEM, max_iterations=0, seed=1), "bad", "timeout").finished


def test_an_unjudged_program_ends_it_unsolved() -> None:
    conversation = step(Conversation(PROBLEM, max_iterations=5, seed=1), "any", "infra_error")
    assert conversation.finished
    assert not conversation.solved


@pytest.mark.parametrize(
    ("verdict", "recorded"),
    [("syntax_error", "truncated"), ("wrong_answer", "truncated"), ("passed", "passed"), ("infra_error",) * 2],
)
def test_an_answer_cut_off_at_the_limit_is_truncated_unless_it_passes(verdict: Verdict, recorded: Verdict) -> None:
    conversation = step(Conversation(PROBLEM, max_iterations=5, seed=1), "longest_chain =", verdict, truncated=True)
    assert [attempt.verdict for attempt in conversation.attempts] == [recorded]
    assert conversation.finished == (verdict == recorded)


def test_only_visible_tests_of_the_record_are_run() -> None:
    answer = Completion("tests = ()\n", prompt_tokens=1, completion_tokens=1, truncated=False)
    program = Conversation(PROBLEM, max_iterations=5, seed=1).program(answer)
    assert program.tests == PROBLEM.tests


@pytest.mark.parametrize(
    "other", [Conversation(PROBLEM, 5, seed=2), Conversation(PROBLEM.model_copy(update={"task_id": "t2"}), 5, seed=1)]
)
def test_seeds_differ_between_runs_problems_and_iterations(other: Conversation) -> None:
    conversation = Conversation(PROBLEM, max_iterations=5, seed=1)
    assert conversation.request() == Conversation(PROBLEM, max_iterations=5, seed=1).request()
    assert conversation.request().seed != other.request().seed
    assert conversation.request().seed != step(conversation, "bad", "exception").request().seed
