"""The tables of all benchmarks and of their parts: columns, rows, and what stands where there is no score."""

from types import SimpleNamespace

from iterpref_core.evaluation.report.score_rows import ScoreRow, score_rows
from iterpref_core.evaluation.report.score_table import Cell, ScoreTable, score_table
from iterpref_core.evaluation.report.summary_record import Summary


def table_of(summary: Summary) -> ScoreTable:
    table = score_table(summary, parts=False)
    assert table is not None
    return table


def cells_of(table: ScoreTable) -> dict[str, tuple[Cell, ...]]:
    return {name: cells for name, _, cells in table.rows}


def test_every_benchmark_is_a_column_and_cells_are_rows_of_scores(rich: SimpleNamespace) -> None:
    summary = rich.summarize()
    table = table_of(summary)
    evalplus = ("HumanEval", "HumanEval+", "MBPP", "MBPP+")
    bigcodebench = ("BigCodeBench-Complete", "BigCodeBench-Instruct", "BigCodeBench-Hard-Complete")
    sizes = (200, 164, 164, 378, 378, 148, 148, 148, 300)
    names = ("held-out", *evalplus, *bigcodebench, "LiveCodeBench")
    assert table.headings == tuple(f"{name}, {size} tasks" for name, size in zip(names, sizes, strict=True))
    assert {len(cells) for _, _, cells in table.rows} == {len(table.headings)}
    cells = cells_of(table)
    assert cells["ground truth"][0] == "200/200"
    heldout = cells["DPO"][0]
    assert heldout in score_rows(summary)
    assert isinstance(heldout, ScoreRow)
    assert (heldout.score, heldout.interval, str(heldout.comparison)[:20]) == (
        0.2,
        (0.14, 0.26),
        "−15.0 [−20.0, −10.0]",
    )
    live = cells["Target-RPO"][-1]
    assert isinstance(live, ScoreRow)
    assert live.score_at_5 == summary.models["target-rpo"]["livecodebench"].beyond["pass_at_5"]


def test_livecodebench_by_difficulty_is_compared_on_the_tasks_of_each(rich: SimpleNamespace) -> None:
    summary = rich.summarize()
    table = score_table(summary, parts=True)
    assert table is not None
    sizes = ("easy, 80 tasks", "medium, 120 tasks", "hard, 100 tasks")
    assert table.headings == tuple(f"LiveCodeBench, {size}" for size in sizes)
    assert [name for name, _, _ in table.rows][:2] == ["base", "SFT on chosen"]
    compared = summary.comparisons["target-rpo"]["base"]["livecodebench"]
    groups = compared.parts
    assert {name: group.n for name, group in groups.items()} == {"easy": 80, "medium": 120, "hard": 100}
    assert sum(group.gained for group in groups.values()) == compared.gained
    cells = cells_of(table)
    assert {cell.comparison is None for cell in cells["base"] if isinstance(cell, ScoreRow)} == {True}
    assert {cell.comparison is None for cell in cells["DPO"] if isinstance(cell, ScoreRow)} == {False}
