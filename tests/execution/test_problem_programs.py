"""References decide where tests run, and a policy what becomes of problems whose tests run inside."""

import pytest

from iterpref_core.execution import (
    Admission,
    Limits,
    Outcome,
    reference_outcomes,
    run_right_program,
)
from iterpref_core.execution import tests_inside as count_inside
from iterpref_core.records import AssertTest, InputError, IoTest, Problem, StdinTest
from tests.engines import StandInEngine
from tests.settings import changed

CALLS = Problem(task_id="calls", prompt="Add 1.", tests=(IoTest(call="f(1)", expected="2"),), reference="def f(x): ...")
READ = changed(CALLS, task_id="read", tests=(AssertTest(code="assert f(1) == 2"),))
PATCHES = changed(READ, task_id="patches", tests=(AssertTest(code="for n in [1]:\n    assert f(n) == 2"),))
SCRIPT = changed(CALLS, tests=(StdinTest(input="", output=""),))


LIMITS = Limits(cpu_s=1, wall_s=5)


def passing(where, otherwise):
    """Return an engine whose programs pass `where` (inside or not), and the list of its runs."""
    runs = []

    def run(program):
        runs.append(program.inside)
        verdict = "passed" if program.inside is where else otherwise
        return Outcome(verdict, "", tests_passed=0, tests_total=1, inside=program.inside)

    return StandInEngine(run), runs


@pytest.mark.parametrize(
    ("problem", "passes", "otherwise", "inside", "verdict", "runs"),
    [
        (READ, False, "", None, "passed", [False]),
        (READ, True, "bad_return_type", True, "passed", [False, True]),
        (READ, None, "bad_return_type", None, "bad_return_type", [False, True]),
        (READ, True, "wrong_answer", None, "wrong_answer", [False]),
        (changed(READ, inside=True), False, "bad_return_type", True, "bad_return_type", [True]),
    ],
)
def test_a_reference_decides_where_its_tests_run(problem, passes, otherwise, inside, verdict, runs):
    engine, seen = passing(passes, otherwise)
    found, outcome = run_right_program(problem, "def f(x): ...", engine)
    assert (found.inside, outcome.verdict, seen) == (inside, verdict, runs)
    assert found == changed(problem, inside=inside)


def test_only_a_decision_is_written():
    assert '"inside"' not in READ.to_json()
    assert '"inside":true' in changed(READ, inside=True).to_json()


RETURNS_OBJECT = "assert f(1, 2) == (1, 2)"
POINT = """
class Point:
    def __init__(self, *at): self.at = at
    def __eq__(self, other): return self.at == tuple(other)
f = Point
"""


def test_a_real_reference_decides_and_candidates_follow(executor):
    needs = changed(READ, tests=(AssertTest(code=RETURNS_OBJECT),), reference=POINT)
    ((again, outcome),) = reference_outcomes([needs], executor)
    assert (again.inside, outcome.verdict) == (True, "passed")
    assert (count_inside(again), count_inside(SCRIPT)) == (1, 0)
    assert (outcome.inside, outcome.isolation) == (1, executor.isolation)


def test_problems_are_marked_or_refused_by_name(tmp_path, caplog):
    for policy, admitted, refused in (("mark", ["calls", "patches"], []), ("refuse", ["calls"], ["patches"])):
        admission = Admission(policy)
        assert [problem.task_id for problem in admission.admit([CALLS, PATCHES])] == admitted
        assert (list(admission.inside), list(admission.refused)) == (["patches"], refused)
        admission.tell(tmp_path)
    assert "tests run inside: 1 of 2 problems, such as patches, are left out" in caplog.text
    admission = Admission("refuse")
    assert list(admission.admit([PATCHES])) == []
    with pytest.raises(InputError, match=r"such as patches, are left out; .*: no problem is left"):
        admission.tell(tmp_path)
    admission = Admission("refuse")
    assert list(admission.admit([CALLS])) == [CALLS]
    caplog.clear()
    admission.tell(tmp_path)
    assert not caplog.text
