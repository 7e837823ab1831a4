"""The table of all benchmarks: its columns, its rows, and what each cell says."""

import json
from types import SimpleNamespace
from typing import get_args

from iterpref_core.config import Benchmark
from iterpref_core.report.labels import BENCHMARKS, COLUMNS, benchmark_name
from iterpref_core.report.score_table import Cell, absent_benchmarks, difficulty_table, published_table, score_table
from iterpref_core.report.summary import build_summary


def test_every_benchmark_has_a_column() -> None:
    assert {name for group in COLUMNS.values() for name in group} == BENCHMARKS.keys() == set(get_args(Benchmark))


def test_columns_are_those_of_the_papers_table(rich: SimpleNamespace) -> None:
    summary = rich.summarize()
    table = score_table(summary)
    assert table is not None
    assert table.columns == (
        ("EvalPlus", ("HumanEval", "HumanEval+", "MBPP", "MBPP+")),
        ("BigCodeBench Full", ("Complete", "Instruct")),
        ("BigCodeBench Hard", ("Complete",)),
        ("LiveCodeBench", ("",)),
        ("held-out", ("",)),
    )
    measured = {benchmark_name(name) for found in summary["models"].values() for name in found}
    assert not measured & set(absent_benchmarks(summary))
    assert {1 + len(row.cells) for group in table.groups for row in group.rows} == {table.width}


def test_published_rows_stand_beside_ours_where_the_model_is_the_same(rich: SimpleNamespace) -> None:
    summary = rich.summarize()
    table, others = score_table(summary), published_table(summary)
    assert table is not None
    assert others is not None
    (own,), (other,) = table.groups, others.groups
    assert own.name == "nanolab, the embedded model"
    names = ["ground truth", "base", "SFT on chosen", "DPO", "RPO", "RPO", "Target-DPO", "Target-RPO"]
    assert [row.name for row in own.rows] == [*names, "debugger (ceiling)"]
    published = own.rows[5]
    assert (published.style, published.source) == ("published", "Nobody 2026, table 2")
    assert published.cells[:2] == (Cell("12.5"), Cell("–")), "a published row has neither interval nor p"
    assert other.name == "made-up/Coder-7B"
    assert [row.name for row in other.rows] == ["base", "DPO", "Target-DPO", "KTO"]
    assert [cell.score for cell in other.rows[0].cells] == ["40.0", "41.0", "42.0", "43.0", "44.0", "45.0"]
    titles = [title for title, _ in others.columns]
    assert titles == ["EvalPlus", "BigCodeBench Full", "LiveCodeBench"], "no column that nobody published"


def test_published_scores_stand_where_the_benchmark_was_measured(rich: SimpleNamespace) -> None:
    summary = rich.summarize()
    for scores in summary["models"].values():
        for name in ("humaneval", "livecodebench"):
            del scores[name]
    for unavailable in summary["unavailable"].values():
        unavailable["livecodebench"] = "no data"
    table, others = score_table(summary), published_table(summary)
    assert table is not None
    assert others is not None
    assert not table.published, "the one score of this model is on a benchmark that nobody measured"
    assert table.columns[0] == ("EvalPlus", ("HumanEval+", "MBPP", "MBPP+"))
    assert [cell.score for cell in others.groups[0].rows[0].cells] == ["41.0", "42.0", "43.0", "44.0"]
    assert published_table(summary | {"models": {"dpo": {"heldout": summary["models"]["dpo"]["heldout"]}}}) is None


def test_a_cell_says_score_interval_difference_and_p(rich: SimpleNamespace) -> None:
    summary = rich.summarize()
    table = score_table(summary)
    assert table is not None
    rows = {row.name: row for row in table.groups[0].rows if row.style != "published"}
    heldout = rows["DPO"].cells[-1]
    assert heldout == Cell("20.0", (("14.0–26.0",), ("−15.0", "[−20.0, −10.0],", "p < 0.001")), -1)
    assert rows["base"].cells[-1] == Cell("35.0", (("29.0–41.0",),))
    live = rows["Target-RPO"].cells[7]
    assert ("pass@5 65.0",) in live.notes
    del summary["models"]["base"]["humaneval"]
    table = score_table(summary)
    assert table is not None
    assert table.groups[0].rows[1].cells[0] == Cell("–"), "others were asked for it"
    del summary["models"]["base"]["mbpp"]
    summary["unavailable"]["base"]["mbpp"] = "no data"
    table = score_table(summary)
    assert table is not None
    assert table.groups[0].rows[1].cells[2] == Cell("n/a"), "others were measured on it"
    assert table.gaps == {"n/a", "–"}


def test_a_difference_that_may_be_chance_is_not_colored(rich: SimpleNamespace) -> None:
    summary = rich.summarize()
    summary["comparisons"]["dpo"]["base"]["heldout"]["p_value"] = 0.05
    table = score_table(summary)
    assert table is not None
    row = next(row for row in table.groups[0].rows if row.name == "DPO")
    assert (row.cells[-1].effect, row.cells[-1].notes[-1][-1]) == (0, "p = 0.050")


def test_benchmarks_that_nobody_asked_for_have_no_column(experiment: SimpleNamespace) -> None:
    summary = build_summary(experiment.results, experiment.metrics, experiment.params, experiment.lock)
    table = score_table(summary)
    assert table is not None
    assert [title for title, _ in table.columns] == ["EvalPlus", "held-out"]
    assert "LiveCodeBench" in absent_benchmarks(summary)
    assert "validation split" not in absent_benchmarks(summary), "things are chosen on it: nobody misses its scores"
    assert difficulty_table(summary) is None
    heldout = {model: {"heldout": scores["heldout"]} for model, scores in summary["models"].items()}
    assert score_table(summary | {"models": heldout, "unavailable": {}}) is None, "it has a table of its own"


def test_validation_has_a_column_of_its_own_where_somebody_names_it(experiment: SimpleNamespace) -> None:
    for path in experiment.results.glob("*/results.json"):
        found = json.loads(path.read_text())
        found["benchmarks"]["validation"] = found["benchmarks"]["heldout"]
        path.write_text(json.dumps(found))
    summary = build_summary(experiment.results, experiment.metrics, experiment.params, experiment.lock)
    table = score_table(summary)
    assert table is not None
    assert [title for title, _ in table.columns] == ["EvalPlus", "held-out", "validation split"]
    assert {row.cells[-1].score == row.cells[-2].score for row in table.groups[0].rows} == {True}


def test_livecodebench_by_difficulty_is_compared_on_the_tasks_of_each(rich: SimpleNamespace) -> None:
    summary = rich.summarize()
    found = difficulty_table(summary)
    assert found is not None
    headings, rows = found
    assert headings == ["easy, 80 tasks", "medium, 120 tasks", "hard, 100 tasks"]
    assert [name for name, _ in rows][:2] == ["base", "SFT on chosen"]
    compared = summary["comparisons"]["target-rpo"]["base"]["livecodebench"]
    groups = compared["by_difficulty"]
    assert {name: group["n"] for name, group in groups.items()} == {"easy": 80, "medium": 120, "hard": 100}
    assert sum(group["gained"] for group in groups.values()) == compared["gained"]
    assert all(cell.notes[-1][-1].startswith("p ") for name, cells in rows if name != "base" for cell in cells)
