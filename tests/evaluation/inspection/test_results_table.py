"""The terminal's table: what it shows, what it cannot show and says so, and that it fits a terminal."""

import shutil

from rich.console import Console

from iterpref_core.evaluation.inspection.results_table import pairs_line, results_notes, results_tables


def printed(*tables):
    console = Console(width=80, color_system=None)
    with console.capture() as captured:
        console.print(*tables)
    return captured.get().splitlines()


def test_every_number_is_whole_and_what_is_missing_is_named(experiment):
    shutil.rmtree(experiment.results / "sft")
    summary = experiment.summarize(names=[*experiment.passed])
    lines = printed(results_tables(summary)[0], results_notes(summary))
    row = next(line for line in lines if "Target-RPO" in line).split()
    assert (row[:4], row[5:]) == (["Target-RPO", "80.0", "[74.0,86.0]", "+45.0"], ["<0.001"])
    assert max(map(len, lines)) <= 80
    names = ["ground truth", "base", "DPO", "RPO", "Target-DPO", "Target-RPO", "debugger*"]
    rows = [line for line in lines if line.startswith(tuple(names))]
    assert [next(name for name in names if row.startswith(name)) for row in rows] == names
    assert rows[0].split()[2:] == ["100.0"]
    assert "−15.0" in rows[2]
    assert "MBPP, MBPP+ not measured: MBPP+ data: set MBPP_OVERRIDE_PATH" in " ".join(" ".join(lines).split())
    assert "not measured: sft" in lines
    assert pairs_line(summary) == "80 of 100 problems; 7 identical_ast, 10 solved_by_draft, 3 unsolved"


def test_public_benchmarks_have_a_table_each_and_unsolved_ones_a_line(experiment):
    summary = experiment.summarize()
    for scores in summary.models.values():
        scores["humaneval+"] = scores["humaneval+"].model_copy(update={"pass_at_1": 0.0})
    _, table = results_tables(summary)
    lines = printed(table)
    assert "HumanEval" in lines[1]
    row = next(line for line in lines if line.startswith("DPO")).split()
    assert row == ["DPO", "0.6", "[0.0,6.6]", "0.0", "[−2.2,+2.2]", "1.000"]
    assert "no model solves any task of HumanEval+" in printed(results_notes(summary))
