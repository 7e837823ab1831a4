"""The conversation about one problem."""

import pytest

from iterpref_core.execution import Outcome
from iterpref_core.models.inference.backend import Completion
from iterpref_core.models.inference.ends import CUT, FINISHED
from iterpref_core.models.prompts.codeflow_prompts import refine_prompt
from iterpref_core.pairs.codeflow.conversation import Conversation, open_conversations, trajectory_of
from iterpref_core.records import IoTest, Problem
from iterpref_core.records.config import CodeflowParams, SamplingParams
from tests.engines import StandInEngine
from tests.settings import section

PROBLEM = Problem(
    task_id="t1",
    prompt="Add one.",
    entry_point="f",
    tests=(IoTest(call="f(1)", expected="2"),),
    hidden_tests=(IoTest(call="f(8)", expected="9"),),
)
PARAMS = section(
    CodeflowParams, seed=1, source="debugging", max_iterations=5, wording="terse",
    sampling=SamplingParams(samples=3, temperature=0.6),
)  # fmt: skip


def started(refinements=5, **changes):
    params = PARAMS.model_copy(update={"max_iterations": refinements})
    return Conversation(PROBLEM.model_copy(update=changes), params)


def step(conversation, text, verdict, feedback="", end=FINISHED):
    answer = Completion(text, prompt_tokens=3, completion_tokens=2, end=end)
    return conversation.after(answer, StandInEngine(lambda _: Outcome(verdict, feedback, 0, 1)))


def test_a_refinement_sees_the_last_version_and_its_feedback():
    conversation = started()
    assert conversation.request().prompt == "Add one."
    conversation = step(conversation, "bad = 1", "wrong_answer", "f(1) gave 0")
    assert conversation.request().prompt == refine_prompt("Add one.", "bad = 1", "f(1) gave 0")
    conversation = step(conversation, "```python\nworse = 1\n```", "exception", "NameError")
    assert conversation.request().prompt == refine_prompt("Add one.", "worse = 1\n", "NameError")


@pytest.mark.parametrize("refinements", [0, 1, 4])
def test_a_draft_that_fails_is_refined_as_often_as_is_allowed(refinements):
    (conversation,) = open_conversations(PROBLEM, PARAMS.model_copy(update={"max_iterations": refinements}))
    while not conversation.finished:
        conversation = step(conversation, "any = 1", "timeout")
    assert len(conversation.attempts) == 1 + refinements
    assert not trajectory_of([conversation]).solved


def test_an_unjudged_program_ends_the_conversation():
    assert step(started(), "any = 1", "infra_error").finished


@pytest.mark.parametrize(
    ("verdict", "recorded"),
    [("syntax_error", "truncated"), ("wrong_answer", "truncated"), ("passed", "passed"), ("infra_error",) * 2],
)
def test_an_answer_cut_off_at_the_limit_is_truncated_unless_it_passes(verdict, recorded):
    conversation = step(started(), "longest_chain =", verdict, end=CUT)
    assert [attempt.verdict for attempt in conversation.attempts] == [recorded]
    assert conversation.finished == (verdict == recorded)


def run(judge, text="tests = ()\n"):
    seen = []

    def outcome(program):
        seen.append(program)
        return Outcome(judge(program), "", 0, 1, inside=len(seen))

    answer = Completion(text, prompt_tokens=1, completion_tokens=1)
    return started().after(answer, StandInEngine(outcome)), seen


def test_the_records_own_tests_are_run_and_the_hidden_ones_where_the_visible_ones_pass():
    failed, seen = run(lambda _: "wrong_answer")
    assert [program.tests for program in seen] == [PROBLEM.tests]
    assert failed.attempts[0].hidden is None
    passed, seen = run(lambda program: "passed" if program.tests == PROBLEM.tests else "timeout")
    assert [program.tests for program in seen] == [PROBLEM.tests, PROBLEM.hidden_tests]
    assert (passed.attempts[0].verdict, passed.attempts[0].hidden) == ("passed", "timeout")
    assert (failed.attempts[0].inside, passed.attempts[0].inside) == (1, 1 + 2)
