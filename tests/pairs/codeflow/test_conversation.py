"""The conversation about one problem."""

import pytest

from iterpref_core.execution import Outcome
from iterpref_core.models.inference.backend import Completion
from iterpref_core.models.inference.ends import CUT, FINISHED
from iterpref_core.pairs.codeflow.conversation import Conversation
from iterpref_core.records import CodeflowParams, IoTest, Problem, SamplingParams
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


@pytest.mark.parametrize(
    ("verdict", "recorded"),
    [("syntax_error", "truncated"), ("wrong_answer", "truncated"), ("passed", "passed"), ("infra_error",) * 2],
)
def test_an_answer_cut_off_at_the_limit_is_truncated_unless_it_passes(verdict, recorded):
    conversation = step(started(), "longest_chain =", verdict, end=CUT)
    assert [attempt.verdict for attempt in conversation.attempts] == [recorded]
    assert conversation.finished == (verdict == recorded)
