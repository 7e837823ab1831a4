"""The terminal's table: what it shows, what it cannot show and says so, and that it fits a terminal."""

import shutil
from types import SimpleNamespace

from rich.console import Console

from iterpref_core.report.summary import Summary
from iterpref_core.report.terminal_table import benchmark_table, pairs_line, results_notes, results_table


def render(experiment: SimpleNamespace) -> str:
    summary = experiment.summarize()
    console = Console(width=80, color_system=None)
    with console.capture() as captured:
        console.print(results_table(summary), results_notes(summary))
    return captured.get()


def test_every_number_is_whole_in_a_terminal(experiment: SimpleNamespace) -> None:
    lines = render(experiment).splitlines()
    row = next(line for line in lines if "Target-RPO" in line).split()
    assert (row[:4], row[5:]) == (["Target-RPO", "80.0", "[74.0,86.0]", "+45.0"], ["<0.001"])
    assert max(len(line) for line in lines) <= 80
    assert "−15.0" in next(line for line in lines if line.startswith("DPO"))
    names = ["ground truth", "base", "SFT", "DPO", "RPO", "Target-DPO", "Target-RPO", "debugger*"]
    rows = [line for line in lines if line.startswith(tuple(names))]
    assert [next(name for name in names if row.startswith(name)) for row in rows] == names
    assert rows[0].split()[2:] == ["100.0"]


def test_what_could_not_be_measured_is_named(experiment: SimpleNamespace) -> None:
    shutil.rmtree(experiment.results / "dpo")
    text = render(experiment)
    assert "MBPP, MBPP+ not measured: MBPP+ data: set MBPP_OVERRIDE_PATH" in " ".join(text.split())
    assert "not measured: dpo" in text


def test_a_line_says_what_became_of_the_problems(experiment: SimpleNamespace) -> None:
    summary = experiment.summarize()
    assert pairs_line(summary) == "80 of 100 problems; 7 identical_ast, 10 solved_by_draft, 3 unsolved"
    summary["codeflow"] |= {"pairs": 100, "dropped": {"unsolved": 0}}
    assert pairs_line(summary) == "100 of 100 problems"
    assert pairs_line({"codeflow": summary["codeflow"] | {"further_pairs": 40}}) == "60 of 100 problems"


def render_benchmarks(summary: Summary) -> str:
    console = Console(width=80, color_system=None)
    with console.capture() as captured:
        console.print(benchmark_table(summary))
    return captured.get()


def test_public_benchmarks_have_a_row_each_with_interval_and_paired_difference(experiment: SimpleNamespace) -> None:
    summary = experiment.summarize()
    text = render_benchmarks(summary)
    row = next(line for line in text.splitlines() if line.startswith("DPO") and "HumanEval " in line)
    assert row.split() == ["DPO", "HumanEval", "0.6%", "[0.0,6.6]", "0.0", "[0.0,", "0.0],", "p", "=", "1.000"]
    assert "held-out" not in text
    for scores in summary["models"].values():
        del scores["humaneval"], scores["humaneval+"]
    assert benchmark_table(summary) is None


def test_benchmarks_of_which_nothing_is_solved_share_a_line(experiment: SimpleNamespace) -> None:
    summary = experiment.summarize()
    scores = [of_model["humaneval+"] for of_model in summary["models"].values()]
    for score in scores:
        score["pass_at_1"] = 0.0
    *rows, last = render_benchmarks(summary).splitlines()
    assert last.strip() == "no model solves any task of HumanEval+"
    assert not [row for row in rows if "HumanEval+" in row]
    scores[-1]["pass_at_1"] = 0.01
    assert "no model solves" not in render_benchmarks(summary)
    assert benchmark_table(summary).row_count == 2 * len(scores)
