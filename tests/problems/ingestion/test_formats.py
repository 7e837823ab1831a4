"""Formats of published sets: rows go in, right programs pass, wrong ones fail, and what is left out has a reason."""

import pytest

from iterpref_core.execution import Executor, Limits, program_of
from iterpref_core.problems.ingestion.ingest import ingest
from iterpref_core.problems.ingestion.intake import Wanted
from iterpref_core.problems.ingestion.presets import PRESETS
from iterpref_core.problems.ingestion.problem_rows import Selection
from iterpref_core.records import Problem, Trajectory
from iterpref_core.storage.jsonl import read_jsonl
from tests.problems.ingestion.published_rows import ROWS
from tests.settings import EXECUTION
from tests.texts import written


def taken(source, form, trajectories=None, **selection):
    out = source.with_suffix(".out.jsonl")
    store = source.with_suffix(".sqlite")
    found = ingest(Wanted([source]), form, out, EXECUTION, Selection(**selection), store, trajectories=trajectories)
    return found, list(read_jsonl(out, Problem))


def verdicts(problem, *codes):
    with Executor(Limits(), workers=1) as executor:
        return [executor.run_one(program_of(problem, code)).verdict for code in codes]


WITH_WRONG_PROGRAMS = ("code_contests", "code_contests_plus", "acecode", "humaneval, HumanEvalPack")


@pytest.mark.parametrize("name", ROWS)
def test_a_row_goes_in_and_its_tests_tell_right_from_wrong(tmp_path, name):
    expected = ROWS[name]
    source, trajectories = written(tmp_path / "in.jsonl", expected.row), tmp_path / "trajectories.jsonl"
    found, (problem,) = taken(source, expected.form, trajectories=trajectories)
    assert found.counts["references/passed" if expected.references else "references/none"] == 1
    assert problem.entry_point == expected.entry_point
    assert (len(problem.tests), len(problem.hidden_tests)) == tuple(expected.tests)
    assert problem.license == (PRESETS[expected.form].license or None)
    right, wrong = verdicts(problem, expected.right, expected.wrong)
    assert right == "passed"
    assert wrong != "passed"
    sides = [[each.verdict == "passed" for each in one.attempts] for one in read_jsonl(trajectories, Trajectory)]
    assert sides == ([[False, True]] if name in WITH_WRONG_PROGRAMS else [])
    if name == "code_contests":
        assert (found.counts["programs_dropped/c++"], found.counts["programs_dropped/python2"]) == (2, 1)


def test_every_format_is_tried():
    problems = {name for name, preset in PRESETS.items() if preset.columns is not None and preset.parts == "problems"}
    untried = problems - {row.form for row in ROWS.values()}
    assert not untried, f"add a row for {sorted(untried)} to tests/problems/ingestion/published_rows.yaml"


def test_a_problem_larger_than_a_run_can_hold_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr("iterpref_core.problems.ingestion.problem_rows.MAX_PROBLEM_BYTES", 2 << 20)
    blanks = " " * (2 << 20)
    tests = {"inputs": ["1\n1\n", f"1\n2\n{blanks}"], "outputs": ["1\n", "2\n"]}
    source = written(tmp_path / "in.jsonl", ROWS["apps"].row, ROWS["apps"].row | {"input_output": tests})
    found, problems = taken(source, "apps")
    assert (len(problems), found.counts["dropped/too_large"]) == (1, 1)
    assert found.dropped[0].explanation == "it has 2 MiB with these tests; 2 are allowed"
    assert len(taken(source, "apps", max_tests=1)[1]) == 2


def calls(count, number):
    tests = {"fn_name": "add", "inputs": [[n, 1] for n in range(count)], "outputs": [n + 1 for n in range(count)]}
    return ROWS["apps, a call"].row | {"input_output": tests, "problem_id": number}


def test_tests_are_drawn_alike_in_every_run_and_the_first_stay_visible(tmp_path):
    rows = [calls(20, number) for number in range(3)]
    whole = taken(written(tmp_path / "whole.jsonl", *rows), "apps", max_tests=5, visible=2)[1]
    last = taken(written(tmp_path / "last.jsonl", rows[2]), "apps", max_tests=5, visible=2)[1]
    assert last[0].tests + last[0].hidden_tests == whole[2].tests + whole[2].hidden_tests
    assert [(len(problem.tests), len(problem.hidden_tests)) for problem in whole] == [(2, 3)] * 3
    assert whole[0].tests != whole[1].tests
    every = taken(written(tmp_path / "all.jsonl", rows[0]), "apps")[1][0].tests
    places = [every.index(test) for test in whole[0].tests + whole[0].hidden_tests]
    assert places == sorted(places)
    assert places[0] == 0


@pytest.mark.parametrize(("max_tests", "kept"), [(1, 1), (3, 3), (20, 9)])
def test_tests_are_drawn_from_those_that_demand_something(tmp_path, max_tests, kept):
    tests = ["assert True", *(f"assert f({number}) == {number + 1}" for number in range(9)), "assert f(1) or True"]
    row = {"prompt": "Add one.", "tests": tests, "reference": "def f(n): return n + 1"}
    source = written(tmp_path / "in.jsonl", row, row | {"tests": ["assert f(1) or 1", "assert True"]})
    found, (problem,) = taken(source, "problems", max_tests=max_tests)
    assert len(problem.tests + problem.hidden_tests) == kept
    assert found.counts["dropped/demands_nothing"] == 1


def test_prompts_say_what_is_wanted_and_keep_the_starter_code(tmp_path):
    def prompt(name):
        return taken(written(tmp_path / "in.jsonl", ROWS[name].row), ROWS[name].form)[1][0].prompt

    assert prompt("apps, a call").endswith("Write a Python function `add`.")
    assert prompt("taco, a method").endswith(
        "Write a Python class `Solution` with a method `ends`. Begin with:\n"
        "```python\nclass Solution:\n    def ends(self, xs: List[int]) -> List[int]:\n```"
    )
    tests = ROWS["kodcode"].row["test"].replace("import add", "import add, subtract, add")
    row = {"prompt": "Add.", "tests": tests, "reference": f"{ROWS['kodcode'].right}\nsubtract = add\n"}
    (problem,) = taken(written(tmp_path / "in.jsonl", row), "problems")[1]
    assert problem.prompt.endswith("Write a Python function `add`. Also define `subtract`.")
    assert prompt("apps").endswith("Write a Python program that reads standard input and prints its answer.")
    assert prompt("humaneval") == ROWS["humaneval"].row["prompt"]
