"""The table of scores: what it shows in 80 columns, and what it cannot show."""

import csv
import re
import shutil
from dataclasses import replace

import pytest
from rich.console import Console

from iterpref_core.evaluation.report.score_rows import (
    ScoreRow,
    score_rows,
    smallest_decided_difference,
    tables_of,
)
from iterpref_core.evaluation.report.standings import summary_standings
from iterpref_core.evaluation.report.summary_record import BenchmarkScores
from iterpref_core.evaluation.statistics.comparison import ScoreDifference
from tests.evaluation.report.conftest import HELDOUT, change


def printed(standings):
    console = Console(width=80, color_system=None)
    with console.capture() as captured:
        standings.print(console)
    return captured.get().splitlines()


def test_every_number_is_whole_and_what_is_missing_is_named(experiment):
    shutil.rmtree(experiment.files.results / "sft")
    lines = printed(summary_standings(experiment.summarize(names=[*experiment.passed])))
    row = next(line for line in lines if "Target-RPO" in line).split()
    assert lines[0].strip() == "held-out, 200 tasks"
    assert row[:4] == ["Target-RPO", "80.0", "[74.0,86.0]", "+45.0"]
    assert row[-3:] == ["<0.001", "100", "[95,100]"], "of the 70 that base solved all are kept"
    assert max(map(len, lines)) <= 80
    names = ["base", "DPO", "RPO", "Target-DPO", "Target-RPO", "debugger"]
    places = [next(place for place, line in enumerate(lines) if line.startswith(name)) for name in names]
    assert places == sorted(places)
    assert "−15.0" in lines[places[1]]
    text = " ".join(" ".join(lines).split())
    assert "held-out: 200 of 200 reference solutions pass." in text
    assert re.search(r"Differences below about \d\.\d points \(held-out, 200 tasks\), ", text)
    assert "Not measured: MBPP, MBPP+; the report says why." in text
    assert "not measured: sft" in lines


def test_only_a_column_that_is_there_is_explained(experiment):
    standings = summary_standings(experiment.summarize())
    first = replace(standings, rows=[row for row in standings.rows if row.comparison is None])
    for shown, explained in ((standings, True), (first, False)):
        assert ("kept: the percentage" in shown.markdown(), "kept: the" in " ".join(printed(shown))) == (explained,) * 2


def test_tokens_and_cut_answers_are_columns_where_there_are_any(experiment):
    dpo = experiment.files.results / "dpo/results.json"
    change(dpo, tokens={"prompt": 9, "completion": 8, "per_answer": 41.6}, truncated=0, cost_usd=0.0)
    lines = printed(summary_standings(experiment.summarize()))
    assert next(line for line in lines if line.startswith("DPO")).split()[-2:] == ["[45,68]", "42"]
    # The widest row has all of its cells on one line of a terminal.
    ceiling = next(line for line in lines if line.startswith("debugger"))
    assert ceiling.count("[") == ceiling.count("]") == 3
    change(dpo, truncated=3)
    lines = printed(summary_standings(experiment.summarize()))
    assert next(line for line in lines if line.startswith("DPO")).split()[-2:] == ["42", "3"]


def test_pass_at_5_of_fewer_tasks_than_pass_at_1_says_of_how_many_in_every_form(experiment, tmp_path):
    fewer = {"pass_at_5": 0.5, "pass_at_5_ci95": [0.3, 0.6], "pass_at_5_n": 120}
    change(experiment.files.results / "dpo/results.json", **fewer)
    change(experiment.files.results / "rpo/results.json", **fewer | {"pass_at_5_n": HELDOUT})
    standings = summary_standings(experiment.summarize())
    board = replace(standings, rows=[row for row in standings.rows if row.benchmark == "heldout"])
    for form, cell in (("text", "50.0 [30.0,60.0]"), ("markdown", "50.0 [30.0, 60.0]"), ("latex", "50.0 [30.0, 60.0]")):
        text = board.text(form)
        assert text.count(cell) == 2, form
        assert text.count(f"{cell} on 120") == 1, form
    rows = {row["model"]: row for row in csv.DictReader(board.text("csv").splitlines())}
    assert [rows[model]["pass_at_5_n"] for model in ("dpo", "rpo", "sft")] == ["120", "200", ""]
    experiment.build(tmp_path / "page")
    page = (tmp_path / "page/index.html").read_text()
    assert page.count("pass@5 50.0%, 30.0% to 60.0% on 120 tasks<") == 1
    assert page.count("pass@5 50.0%, 30.0% to 60.0%<") == 1


def test_every_benchmark_and_every_difficulty_of_one_is_a_table(rich):
    tables = tables_of(score_rows(rich.summarize()))
    evalplus = ("HumanEval, 164", "HumanEval+, 164", "MBPP, 378", "MBPP+, 378")
    bigcodebench = ("BigCodeBench-Complete, 148", "BigCodeBench-Instruct, 148", "BigCodeBench-Hard-Complete, 148")
    live = [f"LiveCodeBench, {part}" for part in ("300", "easy, 80", "medium, 120", "hard, 100")]
    names = ("held-out, 200", *evalplus, *bigcodebench, *live)
    assert list(tables) == [f"{name} tasks" for name in names]
    assert {len(rows) for rows in tables.values()} == {7}
    assert all(row.comparison is None for row in tables["LiveCodeBench, hard, 100 tasks"])


def test_what_stays_undecided_is_never_more_than_a_difference_that_is_decided():
    decided = ScoreDifference(n=40, difference=0.075, ci95=(0.001, 0.158), p_value=0.014)
    worse = ScoreDifference(n=40, difference=-0.075, ci95=(-0.158, -0.001), p_value=0.014)
    undecided = ScoreDifference(n=40, difference=0.01, ci95=(-0.1, 0.12), p_value=0.8)
    two_seeds = ScoreDifference(n=40, difference=0.05, ci95=(-0.6, 0.7), p_value=None)
    scores = BenchmarkScores(n=40, pass_at_1=0, ci95=(0, 1), samples=9, errors={})
    assert smallest_decided_difference([ScoreRow("m", "heldout", scores, comparison=two_seeds)]) is None
    for compared, size in (
        ([decided], 0.074),
        ([decided, two_seeds], 0.074),
        ([worse], 0.074),
        ([undecided] * 2 + [decided], 0.075),
        ([], None),
    ):
        rows = [ScoreRow("m", "heldout", scores, comparison=each) for each in compared]
        assert smallest_decided_difference(rows) == (size and pytest.approx(size))


def test_an_exception_in_a_unit_test_is_no_wrong_answer():
    fields = {"n": 9, "pass_at_1": 0, "ci95": (0, 1), "samples": 9}
    scores = BenchmarkScores(errors={"exception": 2, "wrong_answer": 3}, exceptions={"KeyError": 3}, **fields)
    assert scores.failures == {"KeyError": 3, "wrong_answer": 2}
    assert BenchmarkScores(errors={"timeout": 1}, **fields).failures == {"timeout": 1}
