"""Single programs with verdicts become attempts at their problems, from which pairs are chosen."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iterpref_core.pairs.ingestion.submissions import ingest_submissions
from iterpref_core.pairs.pairs.pair_selection import make_pairs, read_tasks
from iterpref_core.problems.ingestion.intake import Source
from iterpref_core.problems.problems.problems import read_ingested
from iterpref_core.records import Problem, Trajectory
from iterpref_core.records.errors import InputError
from iterpref_core.storage.jsonl import read_jsonl
from tests.settings import PARAMS
from tests.texts import written

COLUMNS = "task_id=problem,prompt=statement,program=code,passed=status"
STATUS = {
    "Accepted": True, "OK": True, True: True, "AC": True, "Wrong Answer": False, "WA": False, False: False,
    "TIME_LIMIT_EXCEEDED": False, "Runtime Error (NZEC)": False, "Compile Error": False, "WJ": None, None: None,
    "SKIPPED": None, 0.5: None, "WA: Presentation Error": False, "CHALLENGED": False,
    "IDLENESS_LIMIT_EXCEEDED": False, "Output Limit Exceeded": False,
}  # fmt: skip
"""What judges write -> True if the program passes, None if that does not say."""


@settings(max_examples=20)
@given(rows=st.lists(st.tuples(st.integers(0, 3), st.sampled_from(list(STATUS))), min_size=1, max_size=20))
def test_attempts_stand_in_their_order_with_the_verdicts_of_the_set(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, object]]
) -> None:
    folder = tmp_path_factory.mktemp("rows")
    lines = [
        {"problem": f"p{problem}", "statement": f"Do {problem}.", "code": f"x = {number}\n", "status": status}
        for number, (problem, status) in enumerate(rows)
    ]
    wanted: dict[str, list[tuple[str, bool]]] = {}
    for line in lines:
        passed = STATUS[line["status"]]
        if passed is not None:
            wanted.setdefault(str(line["problem"]), []).append((str(line["code"]), passed))
    source = Source([written(folder / "in.jsonl", *lines)])
    out, trajectories = folder / "out.jsonl", folder / "t.jsonl"
    if not wanted:
        with pytest.raises(InputError, match=r"no problem to ingest \(\d+ bad_record; "):
            ingest_submissions(source, out, trajectories, COLUMNS)
        return
    found = ingest_submissions(source, out, trajectories, COLUMNS)
    read = list(read_jsonl(trajectories, Trajectory))
    assert {one.task_id: [(each.code, each.verdict == "passed") for each in one.attempts] for one in read} == wanted
    assert found.counts["attempts"] == sum(map(len, wanted.values()))
    assert [problem.task_id for problem in read_jsonl(out, Problem)] == [one.task_id for one in read]
    for one in read:
        sides = {passed for _, passed in wanted[one.task_id]}
        if sides == {True, False}:
            (pair,) = make_pairs(one, read_tasks(out)[one.task_id], PARAMS.pairs)
            assert (pair.chosen, True) in wanted[one.task_id]
            assert (pair.rejected, False) in wanted[one.task_id]


@pytest.mark.parametrize(("status", "verdict"), [(1.0, "passed"), (0.0, "wrong_answer")])
def test_a_truth_value_may_be_a_decimal_number_as_in_pandas(status: float, verdict: str, tmp_path: Path) -> None:
    row = {"problem": "p", "statement": "Do.", "code": "x = 1\n", "status": status}
    trajectories = tmp_path / "t.jsonl"
    ingest_submissions(Source([written(tmp_path / "in.jsonl", row)]), tmp_path / "out.jsonl", trajectories, COLUMNS)
    (one,) = read_jsonl(trajectories, Trajectory)
    assert [attempt.verdict for attempt in one.attempts] == [verdict]


def test_problems_without_tests_never_join_an_experiment(tmp_path: Path) -> None:
    problem = Problem(task_id="p", prompt="Do.", tests=())
    (tmp_path / "a.jsonl").write_text(json.dumps(json.loads(problem.to_json()) | {"tests": []}))
    with pytest.raises(InputError, match="field 'tests' of 'p' is empty; every program would pass"):
        list(read_ingested(tmp_path, set()))
