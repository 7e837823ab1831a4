"""The rows of scores: a table for each benchmark and difficulty, and kinds of failure."""

from iterpref_core.evaluation.report.score_rows import score_rows, tables_of
from iterpref_core.evaluation.report.summary_record import BenchmarkScores


def test_every_benchmark_and_every_difficulty_of_one_is_a_table(rich):
    tables = tables_of(score_rows(rich.summarize()))
    evalplus = ("HumanEval, 164", "HumanEval+, 164", "MBPP, 378", "MBPP+, 378")
    bigcodebench = ("BigCodeBench-Complete, 148", "BigCodeBench-Instruct, 148", "BigCodeBench-Hard-Complete, 148")
    live = [f"LiveCodeBench, {part}" for part in ("300", "easy, 80", "medium, 120", "hard, 100")]
    names = ("held-out, 200", *evalplus, *bigcodebench, *live)
    assert list(tables) == [f"{name} tasks" for name in names]
    assert {len(rows) for rows in tables.values()} == {7}
    assert all(row.comparison is None for row in tables["LiveCodeBench, hard, 100 tasks"])


def test_an_exception_in_a_unit_test_is_no_wrong_answer():
    fields = {"n": 9, "pass_at_1": 0, "ci95": (0, 1), "samples": 9}
    scores = BenchmarkScores(errors={"exception": 2, "wrong_answer": 3}, exceptions={"KeyError": 3}, **fields)
    assert scores.failures == {"KeyError": 3, "wrong_answer": 2}
    assert BenchmarkScores(errors={"timeout": 1}, **fields).failures == {"timeout": 1}
