"""Outcome counts: a run says when many answers were cut off or hold no program, and is silent about few."""

import pytest

from iterpref_core.pairs.codeflow.outcome_counts import OutcomeCounts
from iterpref_core.records import Attempt, Trajectory


def _trajectory(code, verdict):
    attempt = Attempt(iteration=0, code=code, verdict=verdict, feedback="", prompt_tokens=1, completion_tokens=1)
    return Trajectory(task_id="t", solved=verdict == "passed", attempts=(attempt,), tests="0" * 16)


@pytest.mark.parametrize(
    ("code", "verdict", "advice"),
    [
        ("def f(:", "truncated", "of 50 answers were cut: raise codeflow.max_new_tokens"),
        (
            "",
            "syntax_error",
            "of 50 answers hold no program: read some in trajectories.jsonl, and see codeflow.wording",
        ),
    ],
)
def test_more_than_two_of_a_hundred_answers_at_fault_are_told(code, verdict, advice):
    counts = OutcomeCounts(0, sampled=False)
    for _ in range(48):
        counts.add(_trajectory("def f(): return 1", "passed"))
    counts.add(_trajectory("def f(): return 2", "wrong_answer"))
    counts.add(_trajectory(code, verdict))
    assert counts.advice() == []
    few = OutcomeCounts(0, sampled=False)
    for _ in range(48):
        few.add(_trajectory("def f(): return 1", "passed"))
    few.add(_trajectory(code, verdict))
    few.add(_trajectory(code, verdict))
    assert few.advice() == [f"2 {advice}"]
