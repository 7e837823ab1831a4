"""Terminal tables of results, within 80 columns."""

from collections.abc import Mapping

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from iterpref_core.evaluation.report.labels import FOCAL, MAIN_BENCHMARK, MODELS, benchmark_name, in_order, model_name
from iterpref_core.evaluation.report.number_formats import interval, p_value, points, share
from iterpref_core.evaluation.report.score_rows import ScoreRow, measured_benchmarks, score_rows, unavailable_by_reason
from iterpref_core.evaluation.report.summary_record import Summary

_SHORT = {"sft": "SFT", "debugger": "debugger*"}


def results_tables(summary: Summary) -> list[Table]:
    """Return a table for held-out problems, and for each public benchmark of which some model solves a task."""
    rows = score_rows(summary)
    tables = []
    for benchmark in measured_benchmarks(summary):
        if benchmark == MAIN_BENCHMARK or _is_solved(summary, benchmark):
            scored = {row.model: row for row in rows if row.benchmark == benchmark and not row.part}
            tables.append(_results_table(summary, benchmark, scored))
    return tables


def _is_solved(summary: Summary, benchmark: str) -> bool:
    """Return True if some model solves a task of a benchmark."""
    return any(scores[benchmark].pass_at_1 for scores in summary.models.values() if benchmark in scores)


def _results_table(summary: Summary, benchmark: str, rows: Mapping[str, ScoreRow]) -> Table:
    """Return pass@1 in percent and its difference from the base model, both with intervals, given each model's row."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=0, title="pass@1, percent")
    table.add_column("model", no_wrap=True)
    for heading in (f"{benchmark_name(benchmark)}\n[95% interval]", "against base\n[95% interval]", "\np"):
        table.add_column(heading, no_wrap=True, justify="right")
    truth = summary.ground_truth.get(benchmark)
    passed = share(truth.passed / truth.n) if truth else "–"
    table.add_row("ground truth", passed, "", "", style="dim")
    for model in in_order(set(summary.models), MODELS):
        score = "–"
        difference = ""
        p = ""
        row = rows.get(model)
        if row:
            low, high = row.interval
            score = f"{share(row.score)} [{share(low)},{share(high)}]"
        if row and row.comparison:
            ends = interval(row.comparison.ci95).replace(" ", "")
            difference = f"{points(row.comparison.difference)} {ends}"
            p = p_value(row.comparison.p_value)
        table.add_row(_name(model), score, difference, p, style="bold" if model in FOCAL else None)
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
    """Return the notes below the table: pass@k of further k, benchmarks and models without a score, and why."""
    lines = []
    for row in score_rows(summary):
        if row.of_other_k and not row.part:
            scores = ", ".join(f"pass@{k} {share(score)}" for k, score in row.of_other_k.items())
            lines.append(f"{benchmark_name(row.benchmark)}, {_name(row.model)}: {scores}")
    if "debugger" in summary.models:
        lines.append("* wrote the repairs in the pairs: no competitor")
    for reason, benchmarks in unavailable_by_reason(summary).items():
        names = ", ".join(map(benchmark_name, benchmarks))
        lines.append(f"{names} not measured: {reason}")
    unsolved = [name for name in measured_benchmarks(summary) if not _is_solved(summary, name)]
    if unsolved:
        lines.append("no model solves any task of " + ", ".join(map(benchmark_name, unsolved)))
    if summary.missing:
        lines.append("not measured: " + ", ".join(summary.missing))
    return Text("\n".join(lines), style="dim", justify="left")


def _name(model: str) -> str:
    return _SHORT.get(model, model_name(model))
