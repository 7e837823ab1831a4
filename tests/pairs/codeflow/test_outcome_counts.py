"""Outcome counts: a run says when many answers were cut off or hold no program, and is silent about few."""

import pytest

from iterpref_core.execution import Admission
from iterpref_core.pairs.codeflow.outcome_counts import OutcomeCounts
from iterpref_core.records import Attempt, CodeflowParams, SamplingParams, Trajectory
from tests.settings import section

PARAMS = section(CodeflowParams, source="debugging")


def _trajectory(*versions, hidden=None):
    common = {"feedback": "", "hidden": hidden}
    attempts = tuple(Attempt(iteration=i, code=c, verdict=v, **common) for i, (c, v) in enumerate(versions))
    return Trajectory(task_id="t", solved=versions[-1][1] == "passed", attempts=attempts, tests="0" * 16)


@pytest.mark.parametrize(
    ("code", "verdict", "advice"),
    [
        ("def f(:", "truncated", "of 50 answers were cut: raise codeflow.max_new_tokens"),
        ("", "syntax_error", "of 50 answers hold no program: read some"),
    ],
)
def test_more_than_two_of_a_hundred_answers_at_fault_are_told(code, verdict, advice):
    for at_fault in (1, 2):
        counts = OutcomeCounts(PARAMS)
        for number in range(50):
            right = ("def f(): return 1", "passed")
            counts.add(_trajectory((code, verdict) if number < at_fault else right))
        told = [sentence[: len(advice) + 2] for sentence in counts.advice()]
        assert told == ([f"2 {advice}"] if at_fault == 2 else [])


def test_of_samples_the_first_that_passes_counts_and_problems_with_both_are_mixed():
    sampling = PARAMS.model_copy(update={"source": "sampling", "sampling": SamplingParams(samples=3, temperature=1.0)})
    counts = OutcomeCounts(sampling)
    right, wrong = ("x", "passed"), ("x", "timeout")
    for samples in ((right, right, right), (wrong, right, right), (wrong, wrong, wrong), (wrong, wrong, right)):
        counts.add(_trajectory(*samples, hidden="wrong_answer" if samples[0] == right else None))
    found = counts.result(Admission("mark"), [])
    assert (found.mixed, found.solved, found.solved_but_fails_hidden) == (2, 3, 1)
    assert found.pass_rate == {0: 1 / 4, 1: 2 / 4, 2: 3 / 4}
