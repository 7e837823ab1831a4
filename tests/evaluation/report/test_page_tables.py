"""The page's tables: columns, rows, what stands where there is no score, and kinds of failure."""

from iterpref_core.evaluation.report.number_formats import difference
from iterpref_core.evaluation.report.page_tables import failure_kinds, score_table
from iterpref_core.evaluation.report.summary_record import BenchmarkScores


def test_every_benchmark_and_difficulty_is_a_column_and_cells_are_rows_of_scores(rich):
    summary = rich.summarize()
    table = score_table(summary)
    evalplus = ("HumanEval", "HumanEval+", "MBPP", "MBPP+")
    bigcodebench = ("BigCodeBench-Complete", "BigCodeBench-Instruct", "BigCodeBench-Hard-Complete")
    sizes = (200, 164, 164, 378, 378, 148, 148, 148, 300, 80, 120, 100)
    live = [f"LiveCodeBench{part}" for part in ("", ", easy", ", medium", ", hard")]
    names = ("held-out", *evalplus, *bigcodebench, *live)
    assert table.headings == [f"{name}, {size} tasks" for name, size in zip(names, sizes, strict=True)]
    assert {len(cells) for _, _, cells in table.rows} == {len(table.headings)}
    cells = {name: cells for name, _, cells in table.rows}
    assert (cells["ground truth"][0], cells["ground truth"][-3:]) == ("200/200", ["–"] * 3)
    heldout = cells["DPO"][0]
    assert (heldout.scores.pass_at_1, heldout.scores.ci95) == (0.2, (0.14, 0.26))
    assert difference(heldout.comparison).startswith("−15.0 [−20.6, −10.7]")
    whole, *parts = cells["Target-RPO"][-4:]
    assert whole.scores == summary.models["target-rpo"]["livecodebench"]
    assert [(cell.part, cell.scores.n) for cell in parts] == [("easy", 80), ("medium", 120), ("hard", 100)]


def test_an_exception_in_a_unit_test_is_no_wrong_answer():
    fields = {"n": 9, "pass_at_1": 0, "ci95": (0, 1), "samples": 9}
    scores = BenchmarkScores(errors={"exception": 2, "wrong_answer": 3}, exceptions={"KeyError": 3}, **fields)
    assert failure_kinds(scores) == {"KeyError": 3, "wrong_answer": 2}
    assert failure_kinds(BenchmarkScores(errors={"timeout": 1}, **fields)) == {"timeout": 1}
