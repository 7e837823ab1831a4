"""References decide where tests run, and a policy what becomes of problems whose tests run inside."""

import pytest

from iterpref_core.execution import (
    Admission,
    Executor,
    Limits,
    Outcome,
    decide,
    moved_inside,
    program_of,
    reference_outcomes,
    run_right_program,
)
from iterpref_core.execution import tests_inside as count_inside
from iterpref_core.records import AssertTest, IoTest, Problem, StdinTest
from iterpref_core.records.errors import InputError
from tests.engines import StandInEngine

CALLS = Problem(task_id="calls", prompt="Add 1.", tests=(IoTest(call="f(1)", expected="2"),), reference="def f(x): ...")
READ = CALLS.model_copy(update={"task_id": "read", "tests": (AssertTest(code="assert f(1) == 2"),)})
PATCHES = READ.model_copy(
    update={"task_id": "patches", "tests": (AssertTest(code="for n in [1]:\n    assert f(n) == 2"),)}
)


@pytest.fixture(scope="module")
def executor():
    with Executor(Limits(cpu_s=1, wall_s=5), workers=1) as executor:
        yield executor


def passing(*where):
    """Return an engine that runs nothing, by which programs pass where `where` says, and the list of its runs."""
    runs = []

    def run(program):
        runs.append(program.inside)
        verdict = "passed" if program.inside in where else "wrong_answer"
        return Outcome(verdict, "", tests_passed=0, tests_total=1, inside=bool(program.inside))

    return StandInEngine(run), runs


@pytest.mark.parametrize(
    ("problem", "passes", "inside", "verdict", "runs"),
    [
        (READ, [None, True], False, "passed", [None]),
        (READ, [True], True, "passed", [None, True]),
        (READ, [], None, "wrong_answer", [None, True]),
        (CALLS, [True], None, "wrong_answer", [None]),
        (PATCHES, [True], None, "wrong_answer", [None]),
        (READ.model_copy(update={"inside": False}), [True], False, "wrong_answer", [False]),
        (READ.model_copy(update={"inside": True}), [None], True, "wrong_answer", [True]),
    ],
)
def test_a_reference_decides_where_its_tests_run(problem, passes, inside, verdict, runs):
    engine, seen = passing(*passes)
    found, outcome = run_right_program(problem, "def f(x): ...", engine)
    assert (found.inside, outcome.verdict, seen) == (inside, verdict, runs)
    assert found == problem.model_copy(update={"inside": inside})


def test_only_a_decision_is_written():
    assert '"inside"' not in READ.to_json()
    assert '"inside":true' in READ.model_copy(update={"inside": True}).to_json()


def test_calls_need_no_decision_and_tests_that_run_inside_say_it_themselves():
    assert moved_inside(CALLS) is None
    assert moved_inside(PATCHES) is None
    assert [count_inside(problem) for problem in (CALLS, READ, PATCHES)] == [0, 0, 1]
    assert count_inside(READ.model_copy(update={"inside": True})) == 1
    several = READ.model_copy(update={"hidden_tests": PATCHES.tests, "inside": False})
    assert count_inside(several) == 1
    script = CALLS.model_copy(update={"tests": (StdinTest(input="", output=""),)})
    assert (moved_inside(script), count_inside(script)) == (None, 0)


def test_a_reference_that_passes_outside_keeps_other_programs_from_going_inside(executor):
    decided = decide(READ.model_copy(update={"reference": "def f(x): return x + 1"}), executor)
    assert decided.inside is False
    outcome = executor.run_one(program_of(decided, POINT.replace("f = Point", "def f(x): return Point(2)")))
    assert (outcome.verdict, outcome.inside) == ("bad_return_type", 0)
    outcome = executor.run_one(program_of(READ, POINT.replace("f = Point", "def f(x): return Point(2)")))
    assert outcome.inside == 1


RETURNS_OBJECT = "assert f(1, 2) == (1, 2)"
POINT = """
class Point:
    def __init__(self, *at): self.at = at
    def __eq__(self, other): return self.at == tuple(other)
f = Point
"""


def test_a_real_reference_decides_and_candidates_follow(executor):
    needs = READ.model_copy(update={"tests": (AssertTest(code=RETURNS_OBJECT),), "reference": POINT})
    found = decide(needs, executor)
    assert found.inside is True
    ((again, outcome),) = reference_outcomes([needs], executor)
    assert (again.inside, outcome.verdict) == (True, "passed")
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
