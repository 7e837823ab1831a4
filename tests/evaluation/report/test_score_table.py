"""The table of all benchmarks: columns, rows, and what stands where there is no score."""

from iterpref_core.evaluation.report.number_formats import difference
from iterpref_core.evaluation.report.score_rows import ScoreRow, score_rows
from iterpref_core.evaluation.report.score_table import score_table


def table_of(summary):
    table = score_table(summary)
    assert table is not None
    return table


def cells_of(table):
    return {name: cells for name, _, cells in table.rows}


def test_every_benchmark_is_a_column_and_cells_are_rows_of_scores(rich):
    summary = rich.summarize()
    table = table_of(summary)
    evalplus = ("HumanEval", "HumanEval+", "MBPP", "MBPP+")
    bigcodebench = ("BigCodeBench-Complete", "BigCodeBench-Instruct", "BigCodeBench-Hard-Complete")
    sizes = (200, 164, 164, 378, 378, 148, 148, 148, 300, 80, 120, 100)
    live = [f"LiveCodeBench{part}" for part in ("", ", easy", ", medium", ", hard")]
    names = ("held-out", *evalplus, *bigcodebench, *live)
    assert table.headings == tuple(f"{name}, {size} tasks" for name, size in zip(names, sizes, strict=True))
    assert {len(cells) for _, _, cells in table.rows} == {len(table.headings)}
    cells = cells_of(table)
    assert cells["ground truth"][0] == "200/200"
    heldout = cells["DPO"][0]
    assert heldout in score_rows(summary)
    assert isinstance(heldout, ScoreRow)
    assert (heldout.score, heldout.interval, difference(heldout.comparison)[:20]) == (
        0.2,
        (0.14, 0.26),
        "−15.0 [−20.6, −10.7]",
    )
    whole = cells["Target-RPO"][-4]
    assert isinstance(whole, ScoreRow)
    assert whole.of_other_k == {5: summary.models["target-rpo"]["livecodebench"].beyond["pass_at_5"]}


def test_every_difficulty_of_livecodebench_is_a_column(rich):
    summary = rich.summarize()
    cells = cells_of(table_of(summary))
    parts = summary.models["target-rpo"]["livecodebench"].parts
    shown = [cell for cell in cells["Target-RPO"][-3:] if isinstance(cell, ScoreRow)]
    assert [(cell.part, cell.score, cell.n) for cell in shown] == [
        (name, parts[name].pass_at_1, parts[name].n) for name in ("easy", "medium", "hard")
    ]
    assert cells["ground truth"][-3:] == ("–", "–", "–")
