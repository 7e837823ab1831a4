"""Trials of a published problem's programs: what they say about its tests, and the human errors that come out."""

from collections import Counter

import pytest

from iterpref_core.execution import Executor, Outcome
from iterpref_core.problems.ingestion.columns import DroppedError
from iterpref_core.problems.ingestion.ingest import ingest
from iterpref_core.problems.ingestion.intake import Wanted
from iterpref_core.problems.ingestion.outcome_store import open_trials
from iterpref_core.problems.ingestion.problem_rows import PublishedProblem, Selection
from iterpref_core.problems.ingestion.trials import find_failures, find_reference
from iterpref_core.records import AssertTest, ExecutionError, IoTest, Problem, StdinTest
from tests.problems.ingestion.published_rows import ROWS
from tests.settings import EXECUTION
from tests.texts import written

PROBLEM = Problem(
    task_id="p",
    prompt="Add one.",
    entry_point="f",
    tests=(IoTest(call="f(1)", expected="2"),),
    hidden_tests=(IoTest(call="f(2)", expected="3"),),
)
RIGHT = "def f(n):\n    return n + 1\n"
OTHER_RIGHT = "def f(n):\n    m = n\n    return m + 1\n"
NEAR = "def f(n):\n    return n - 1\n"
FAR = "def g(n):\n    return n * 7\n\n\nf = g\n"


class Judge:
    """Stands in for the engine: verdicts by program; what is not named passes."""

    def __init__(self, verdicts):
        self.verdicts = verdicts
        self.run = Counter()
        self.limits = []

    def __call__(self, problem, number=0):
        def judge(code):
            self.run[code] += 1
            self.limits.append(problem.time_limit_s)
            verdict, passed = self.verdicts.get((code, number), self.verdicts.get(code, ("passed", 2)))
            return Outcome(verdict, "" if verdict == "passed" else "it fails", passed, 2, slowest_s=1.0)

        return judge


def tried(judge, *, problem=PROBLEM, wrong=(), right):
    found = find_reference(PublishedProblem(problem, right=tuple(right)), judge)
    return found, find_failures(found, wrong, judge, 1)


def test_right_programs_that_disagree_leave_the_problem_out_unless_a_checker_decides():
    judge = Judge({OTHER_RIGHT: ("wrong_answer", 1)})
    with pytest.raises(DroppedError, match="it fails") as dropped:
        tried(judge, right=(RIGHT, OTHER_RIGHT))
    assert dropped.value.reason == "several_answers"
    checked = PROBLEM.model_copy(
        update={
            "tests": (StdinTest(input="", output="", checker="def check(*_): return True"),),
            "hidden_tests": (),
            "entry_point": "",
        }
    )
    assert tried(judge, problem=checked, right=(RIGHT, OTHER_RIGHT))[0].reference == RIGHT


CLOCK = "import time\n" + RIGHT
OWN_WORDS = PROBLEM.model_copy(update={"tests": (AssertTest(code="x = f(1)\nassert x == 2"),)})


@pytest.mark.parametrize(
    ("problem", "code", "runs"), [(PROBLEM, CLOCK, 10), (OWN_WORDS, RIGHT, 10), (PROBLEM, RIGHT, 1)]
)
def test_a_reference_whose_outcome_may_vary_must_pass_ten_runs(problem, code, runs):
    judge = Judge({})
    tried(judge, problem=problem, right=(code,))
    assert judge.run[code] == (runs + 1 if runs > 1 else 1)  # the store answers the first run again
    for number in range(1, runs):
        judge = Judge({(code, number): ("wrong_answer", 1)})
        with pytest.raises(
            DroppedError, match=f"^run {number + 1} of its reference: wrong_answer: it fails$"
        ) as dropped:
            tried(judge, problem=problem, right=(code,))
        assert dropped.value.reason == "flaky"
    tried(Judge({(code, 1): ("infra_error", 0)}), problem=problem, right=(code,))


def test_each_run_of_a_reference_is_a_run_and_is_stored(tmp_path, monkeypatch):
    ran = []
    monkeypatch.setattr(Executor, "run_one", lambda _, program: ran.append(program) or Outcome("passed", "", 1, 1))
    with open_trials(EXECUTION, tmp_path / "store") as (_, run):
        for _ in range(2):
            tried(run, right=(CLOCK,))
    assert len(ran) == 10


def test_where_no_reading_fits_all_right_programs_run_in_the_closest_one_alone():
    readings = [PROBLEM.model_copy(update={"entry_point": f"f{number}"}) for number in range(8)]
    run = Counter()

    def judge(problem):
        def fail(_):
            run[problem.entry_point] += 1
            return Outcome("wrong_answer", "", int(problem.entry_point == "f5"), 2)

        return fail

    right = tuple(f"{RIGHT}# {number}\n" for number in range(20))
    with pytest.raises(DroppedError):
        find_reference(PublishedProblem(readings[0], iter(readings[1:]), right), judge)
    assert run == {f"f{number}": 20 if number == 5 else 3 for number in range(8)}


def test_a_time_limit_is_scaled_by_what_right_programs_take_here():
    limited = PROBLEM.model_copy(update={"time_limit_s": 2.0})
    judge = Judge({})
    found, _ = tried(judge, problem=limited, right=(RIGHT,))
    assert judge.limits == [8.0]
    assert found.time_limit_s == 4.0


def test_the_nearest_program_that_fails_becomes_the_rejected_one():
    judge = Judge({NEAR: ("wrong_answer", 0), FAR: ("exception", 0)})
    problem, trajectory = tried(judge, right=(RIGHT, OTHER_RIGHT), wrong=(FAR, NEAR))
    assert trajectory is not None
    failed, repaired = trajectory.attempts
    assert (failed.code, failed.verdict, failed.feedback) == (NEAR, "wrong_answer", "it fails")
    assert (repaired.code, repaired.verdict, repaired.hidden) == (RIGHT, "passed", "passed")
    assert trajectory.tests == problem.tests_digest


def test_nothing_that_was_run_is_run_again_after_an_engine_fails(tmp_path, monkeypatch):
    rows = [ROWS["apps"].row | {"problem_id": n, "solutions": [f"# {n}\n{ROWS['apps'].right}"]} for n in range(20)]
    source = Wanted([written(tmp_path / "in.jsonl", *rows)])
    out, store = tmp_path / "out", tmp_path / "store"
    run_one = Executor.run_one
    ran = []

    def fail_once(executor, program):
        if len(ran) == 8 and not store.with_suffix(".failed").exists():
            store.with_suffix(".failed").touch()
            raise ExecutionError("the engine is gone")
        ran.append(program)
        return run_one(executor, program)

    monkeypatch.setattr(Executor, "run_one", fail_once)
    with pytest.raises(ExecutionError):
        ingest(source, "apps", out, EXECUTION, Selection(), store)
    assert not out.exists()
    ingest(source, "apps", out, EXECUTION, Selection(), store)
    assert len(out.read_text().splitlines()) == 20
    # Programs that ran while the engine failed may run twice.
    assert len(ran) < 25
    assert not store.exists(), "what is finished needs no store"
