"""References decide where tests are judged, and a policy what becomes of problems that are judged inside."""

import pytest

from iterpref_core.execution import (
    Admission,
    Executor,
    Limits,
    Outcome,
    decide,
    is_judged_inside,
    moved_inside,
    reference_outcomes,
    run_right_program,
)
from iterpref_core.records import AssertTest, IoTest, Problem
from iterpref_core.records.errors import InputError
from tests.engines import StandInEngine

CALLS = Problem(task_id="calls", prompt="Add 1.", tests=(IoTest(call="f(1)", expected="2"),), reference="def f(x): ...")
JUDGED = CALLS.model_copy(update={"task_id": "judged", "tests": (AssertTest(code="x = f(1)\nassert x == 2"),)})
PATCHES = JUDGED.model_copy(
    update={"task_id": "patches", "tests": (AssertTest(code="from unittest import mock\nassert f(1) == 2"),)}
)


@pytest.fixture(scope="module")
def executor():
    with Executor(Limits(cpu_s=1, wall_s=5), workers=1) as executor:
        yield executor


def passing(*where):
    """Return an engine that runs nothing: a program passes judged as `where` says, and the list of its runs."""
    runs = []

    def run(program):
        runs.append(program.inside)
        verdict = "passed" if program.inside in where else "wrong_answer"
        return Outcome(verdict, "", tests_passed=0, tests_total=1)

    return StandInEngine(run), runs


@pytest.mark.parametrize(
    ("problem", "passes", "inside", "verdict", "runs"),
    [
        (JUDGED, [None, True], None, "passed", [None]),
        (JUDGED, [True], True, "passed", [None, True]),
        (JUDGED, [], None, "wrong_answer", [None, True]),
        (CALLS, [True], None, "wrong_answer", [None]),
        (PATCHES, [True], None, "wrong_answer", [None]),
        (JUDGED.model_copy(update={"inside": False}), [True], False, "wrong_answer", [False]),
        (JUDGED.model_copy(update={"inside": True}), [None], True, "wrong_answer", [True]),
    ],
)
def test_a_reference_decides_where_its_tests_are_judged(problem, passes, inside, verdict, runs):
    engine, seen = passing(*passes)
    found, outcome = run_right_program(problem, "def f(x): ...", engine)
    assert (found.inside, outcome.verdict, seen) == (inside, verdict, runs)
    assert found == problem.model_copy(update={"inside": inside})


def test_only_a_decision_is_written():
    assert '"inside"' not in JUDGED.to_json()
    assert '"inside":true' in JUDGED.model_copy(update={"inside": True}).to_json()


def test_calls_need_no_decision_and_patches_say_it_themselves():
    assert moved_inside(CALLS) is None
    assert moved_inside(PATCHES) is None
    assert [is_judged_inside(problem) for problem in (CALLS, JUDGED, PATCHES)] == [False, False, True]
    assert is_judged_inside(JUDGED.model_copy(update={"inside": True}))


RETURNS_OBJECT = "p = f(1, 2)\nassert p == (1, 2)"
POINT = """
class Point:
    def __init__(self, *at): self.at = at
    def __eq__(self, other): return self.at == tuple(other)
f = Point
"""


def test_a_real_reference_decides_and_candidates_follow(executor):
    needs = JUDGED.model_copy(update={"tests": (AssertTest(code=RETURNS_OBJECT),), "reference": POINT})
    found = decide(needs, executor)
    assert found.inside is True
    ((again, outcome),) = reference_outcomes([needs], executor)
    assert (again.inside, outcome.verdict) == (True, "passed")
    assert outcome.isolation == f"{executor.isolation} judged inside"


def test_problems_are_marked_or_refused_by_name(tmp_path, caplog):
    for policy, admitted, counted in (
        ("mark", ["calls", "patches"], {"judged_inside": 1}),
        ("refuse", ["calls"], {"left_out/judged_inside": 1}),
    ):
        admission = Admission(policy)
        assert [problem.task_id for problem in admission.admit([CALLS, PATCHES])] == admitted
        assert admission.tell(tmp_path) == counted
    assert "judged inside: 1 of 2 problems, such as patches, are left out" in caplog.text
    admission = Admission("refuse")
    assert list(admission.admit([PATCHES])) == []
    with pytest.raises(InputError, match=r"such as patches, are left out; .*: no problem is left"):
        admission.tell(tmp_path)
    admission = Admission("refuse")
    assert list(admission.admit([CALLS])) == [CALLS]
    assert admission.tell(tmp_path) == {}
