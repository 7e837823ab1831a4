"""Single programs with verdicts become attempts at their problems."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iterpref_core.pairs.ingestion.submissions import ingest_submissions
from iterpref_core.problems.composition.problem_splits import read_ingested
from iterpref_core.problems.ingestion.intake import Wanted
from iterpref_core.records import ConfigError, InputError, Problem, Trajectory
from iterpref_core.storage.jsonl import read_jsonl
from tests.texts import read_table, written

COLUMNS = "task_id=problem,prompt=statement,program=code,passed=status"
STATUS = {True: True, False: False, None: None, 0.5: False, -1: None, 100: True, 37.5: None} | {
    text: {"passes": True, "fails": False, "says nothing": None}[told]
    for told, *texts in read_table("""
passes | Accepted | OK | AC | success | 1.0 | Solved | Accepted (100) | right | Accepted (100/100)
fails | Wrong Answer | WA | TIME_LIMIT_EXCEEDED | Runtime Error (NZEC) | Compile Error | WA: Presentation Error
fails | CHALLENGED | IDLENESS_LIMIT_EXCEEDED | Output Limit Exceeded | Wrong answer on test 3 | TL | Run Time Error
fails | RTE | timed out | failed: name 'x' is not defined | failure | REJECTED | partially accepted | wrong
fails | TLE on test 4 | WA 7 | 0.0 | RTE (NZEC) | Wrong output | RE (NZEC) | RE (SIGSEGV) | Partially correct
fails | Partially Correct (40/100)
says nothing | WJ | SKIPPED | not accepted yet | re-judging | Accepted (40)
""")
    for text in texts
}
"""What judges write -> True if the program passes, None if that does not say."""


@settings(max_examples=20)
@given(rows=st.lists(st.tuples(st.integers(0, 3), st.sampled_from([*STATUS, 1.0, 0.0])), min_size=1, max_size=20))
def test_attempts_stand_in_their_order_with_the_verdicts_of_the_set(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("rows")
    lines = [
        {"problem": f"p{problem}", "statement": f"Do {problem}.", "code": f"x = {number}\n", "status": status}
        for number, (problem, status) in enumerate(rows)
    ]
    wanted = {}
    for line in lines:
        passed = STATUS[line["status"]]
        if passed is not None:
            wanted.setdefault(str(line["problem"]), []).append((str(line["code"]), passed))
    source = Wanted([written(folder / "in.jsonl", *lines)])
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


def test_problems_without_tests_never_join_an_experiment(tmp_path):
    problem = Problem(task_id="p", prompt="Do.", tests=())
    (tmp_path / "a.jsonl").write_text(json.dumps(json.loads(problem.to_json()) | {"tests": []}))
    with pytest.raises(InputError, match="field 'tests' of 'p' is empty; every program would pass"):
        list(read_ingested(tmp_path, set()))


def read(folder, columns, *rows):
    """Return the counts of rows, and their trajectories."""
    found = ingest_submissions(Wanted([written(folder / "in.jsonl", *rows)]), folder / "out", folder / "t", columns)
    return found.counts, list(read_jsonl(folder / "t", Trajectory))


def test_without_a_name_a_problem_is_its_statement(tmp_path):
    asked = [{"role": "user", "content": "Add."}]
    answers = [[{"role": "assistant", "content": f"So:\n```python\nx = {number}\n```"}] for number in range(3)]
    rows = [{"prompt": asked, "completion": answer, "label": number > 0} for number, answer in enumerate(answers)]
    other = {"prompt": "Subtract.", "completion": "x = 4", "label": True}
    _, found = read(tmp_path, "program=completion,passed=label", *rows, other)
    assert [[(each.code, each.verdict) for each in one.attempts] for one in found] == [
        [("x = 0\n", "wrong_answer"), ("x = 1\n", "passed"), ("x = 2\n", "passed")],
        [("x = 4", "passed")],
    ]


def test_without_a_name_similar_statements_are_never_one_problem(tmp_path):
    rows = [
        {"prompt": prompt, "code": code, "status": status}
        for prompt, code, status in (("Add N.", "x = 1", "OK"), ("add N.", "x = 2", "WA"), ("Add N.", "x = 3", "WA"))
    ]
    _, found = read(tmp_path, "program=code,passed=status", *rows)
    assert [[each.code for each in one.attempts] for one in found] == [["x = 1", "x = 3"], ["x = 2"]]


def test_what_is_no_program_is_no_attempt(tmp_path):
    programs = {"int main(){ return 0; }": "OK", "I cannot do that.": "WA", " ": "WA", "x = (": "CE", "x = 1": "OK"}
    programs |= {"print 1": "WA", "```python\nx = 1\ny": "WA"}
    rows = [{"prompt": "Add.", "code": code, "status": status} for code, status in programs.items()]
    counts, (one,) = read(tmp_path, "program=code,passed=status", *rows)
    assert [each.code for each in one.attempts] == ["x = (", "x = 1"]
    assert {name: count for name, count in counts.items() if name.startswith("dropped/")} == {
        "dropped/not_python": 2, "dropped/no_code": 1, "dropped/empty": 1, "dropped/truncated": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("values", "column", "stated", "passed"),
    [
        ([0, 1, 0], "exit_code", "0", [True, False, True]),
        ([0, 1], "run.returncode", "0", [True, False]),
        ([0, 1, 137, -9, None], "end", "0", [True, False, False, False]),
        ([0, 40, 100], "points", "100", [False, False, True]),
        ([True, False], "exit_ok", "true", [True, False]),
        (["Done (0)", "Killed"], "exitStatus", "done (0)", [True, False]),
    ],
)
def test_exit_codes_are_refused_until_the_value_that_passes_is_stated(tmp_path, values, column, stated, passed):
    field, _, inner = column.partition(".")
    rows = [
        {"prompt": "Add.", "code": f"x = {number}", field: {inner: value} if inner else value}
        for number, value in enumerate(values)
    ]
    with pytest.raises(ConfigError, match=rf"state the value that passes, as in passed=0:{column}$"):
        read(tmp_path, f"program=code,passed={column}", *rows)
    assert not (tmp_path / "out").exists()
    _, (one,) = read(tmp_path, f"program=code,passed={stated}:{column}", *rows)
    assert [each.verdict == "passed" for each in one.attempts] == passed
