"""Terminal tables of results, within 80 columns."""

from collections.abc import Callable

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from iterpref_core.evaluation.report.labels import FOCAL, MAIN_BENCHMARK, MODELS, benchmark_name, in_order, model_name
from iterpref_core.evaluation.report.number_formats import p_value, percent, points, share
from iterpref_core.evaluation.report.score_rows import Interval, main_rows, measured_benchmarks, score_rows
from iterpref_core.evaluation.report.summary import unavailable_by_reason
from iterpref_core.evaluation.report.summary_record import Summary

_SHORT = {"sft": "SFT", "debugger": "debugger*"}
_MARKS = {"": "", "without_failed_truth": " (1)", "without_overlap": " (2)"}


def results_table(summary: Summary) -> Table:
    """Return held-out pass@1 in percent and its difference from the base model, both with intervals."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=0, title="pass@1, percent")
    table.add_column("model", no_wrap=True)
    for heading in ("held-out\n[95% interval]", "against base\n[95% interval]", "\np"):
        table.add_column(heading, no_wrap=True, justify="right")
    truth = summary.ground_truth.get(MAIN_BENCHMARK)
    passed = "–"
    if truth:
        passed = share(truth.passed / truth.n)
    table.add_row("ground truth", passed, "", "", style="dim")
    rows = main_rows(summary)
    for model in in_order(set(summary.models), MODELS):
        row = rows.get(model)
        score = "–"
        difference = ""
        p = ""
        if row:
            score = f"{share(row.score)} {_interval(row.interval, share)}"
        if row and row.difference:
            difference = f"{points(row.difference.value)} {_interval(row.difference.interval, points)}"
            p = p_value(row.difference.p)
        table.add_row(
            _name(model),
            score,
            difference,
            p,
            style="bold" if model in FOCAL else None,
        )
    return table


def benchmark_table(summary: Summary) -> Table | None:
    """Return the scores on public benchmarks with their intervals and differences from base; None without scores.

    Scores without tasks whose canonical solution fails here, or that pairs overlap with, stand in rows of their own.
    A benchmark of which no model solves any task has no rows; one line names such benchmarks.
    """
    table = Table(
        box=SIMPLE_HEAD,
        show_edge=False,
        padding=0,
        pad_edge=False,
        caption_justify="left",
    )
    for heading in ("model", "benchmark", "pass@1 [95% interval]", "points against base"):
        table.add_column(heading, no_wrap=True)
    rows = score_rows(summary)
    solved = {row.benchmark for row in rows if row.score > 0}
    shown = solved - {MAIN_BENCHMARK}
    for row in rows:
        if row.part in _MARKS and row.benchmark in shown:
            benchmark = benchmark_name(row.benchmark) + _MARKS[row.part]
            score = f"{percent(row.score)} {_interval(row.interval, share)}"
            table.add_row(_name(row.model), benchmark, score, str(row.difference or ""))
    if not table.row_count:
        return None
    lines = ["(1) without tasks whose canonical solution fails here (2) without tasks that pairs overlap with"]
    unsolved = [benchmark_name(name) for name in measured_benchmarks(summary) if name not in solved]
    if unsolved:
        lines.append("no model solves any task of " + ", ".join(unsolved))
    table.caption = Text("\n".join(lines), style="dim", justify="left")
    return table


def pairs_line(summary: Summary) -> str:
    """Say how many problems gave a pair, and why the others gave none."""
    codeflow = summary.codeflow
    line = f"{codeflow.problems_with_pair} of {codeflow.problems} problems"
    dropped = [f"{count} {reason}" for reason, count in codeflow.dropped.items() if count]
    if dropped:
        line += "; " + ", ".join(dropped)
    return line


def results_notes(summary: Summary) -> Text:
    """Return the notes below the table: benchmarks that could not be measured and why, and models without results."""
    lines = []
    if "debugger" in summary.models:
        lines.append("* wrote the repairs in the pairs: an upper bound, not a competitor")
    for reason, benchmarks in unavailable_by_reason(summary).items():
        names = ", ".join(map(benchmark_name, benchmarks))
        lines.append(f"{names} not measured: {reason}")
    if summary.missing:
        lines.append("not measured: " + ", ".join(summary.missing))
    return Text("\n".join(lines), style="dim", justify="left")


def _name(model: str) -> str:
    return _SHORT.get(model, model_name(model))


def _interval(ends: Interval, form: Callable[[float], str]) -> str:
    low, high = ends
    return f"[{form(low)},{form(high)}]"
