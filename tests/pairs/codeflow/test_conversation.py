"""The conversation about one problem."""

import pytest

from iterpref_core.execution import Outcome
from iterpref_core.models.inference.backend import Completion
from iterpref_core.models.inference.finish_reasons import CUT
from iterpref_core.pairs.codeflow.rollouts import Conversation
from iterpref_core.records import CodeflowParams, IoTest, Problem
from tests.engines import StandInEngine
from tests.settings import section

PROBLEM = Problem(
    task_id="t1",
    prompt="Add one.",
    entry_point="f",
    tests=(IoTest(call="f(1)", expected="2"),),
)
PARAMS = section(CodeflowParams, source="debugging", max_iterations=5)


@pytest.mark.parametrize(
    ("verdict", "recorded"),
    [("syntax_error", "truncated"), ("wrong_answer", "truncated"), ("passed", "passed"), ("infra_error",) * 2],
)
def test_an_answer_cut_off_at_the_limit_is_truncated_unless_it_passes(verdict, recorded):
    engine = StandInEngine(lambda _: Outcome(verdict, "", 0, 1))
    conversation = Conversation(PROBLEM, PARAMS).after(Completion("longest_chain =", 3, 2, CUT), engine)
    assert [attempt.verdict for attempt in conversation.attempts] == [recorded]
    assert conversation.finished == (verdict == recorded)
