"""Terminal table of results; fits 80 columns."""

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from iterpref_core.report.labels import FOCAL, MAIN_BENCHMARK, MODELS, benchmark_name, in_order, model_name
from iterpref_core.report.number_formats import p_value, percent, points, share
from iterpref_core.report.score_rows import Interval, ScoreRow, measured_benchmarks, score_rows
from iterpref_core.report.summary import Summary, paired_problems, unavailable_by_reason

_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_SHORT = {"sft": "SFT", "debugger": "debugger*"}
_HEADERS = {
    "humaneval": "Human\nEval",
    "humaneval+": "Human\nEval+",
    "bigcodebench-full-complete": "BCB\nCompl.",
    "bigcodebench-full-instruct": "BCB\nInstr.",
    "bigcodebench-hard-complete": "BCB-H\nCompl.",
    "bigcodebench-hard-instruct": "BCB-H\nInstr.",
    "livecodebench": "Live\nCodeB.",
}
_MARKS = {"": "", "without_failed_truth": " (1)", "without_overlap": " (2)"}


def results_table(summary: Summary) -> Table:
    """pass@1 in percent: held-out with its interval and its difference from the base model, then the benchmarks.

    A score that could not be measured says n/a, with the reason among the `results_notes`. Benchmarks that no model
    could be measured on have no column.
    """
    rows = {(row.model, row.benchmark): row for row in score_rows(summary) if not row.part}
    columns = [name for name in measured_benchmarks(summary) if name != MAIN_BENCHMARK]
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=0, title="pass@1, percent")
    table.add_column("model", no_wrap=True)
    for heading in ("held-out\n[95% interval]", "against base\n[95% interval]", "\np"):
        table.add_column(heading, no_wrap=True, justify="right")
    for name in columns:
        table.add_column(_HEADERS.get(name, "\n" + benchmark_name(name)), no_wrap=True, justify="right")
    truth = [_truth(summary, name) for name in (MAIN_BENCHMARK, *columns)]
    table.add_row("ground truth", truth[0], "", "", *truth[1:], style="dim")
    for model in in_order(set(summary["models"]), MODELS):
        main = rows.get((model, MAIN_BENCHMARK))
        score = f"{share(main.score)} {_interval(main.interval)}" if main else _missing(summary, model, MAIN_BENCHMARK)
        cells = [
            share(row.score) if (row := rows.get((model, name))) else _missing(summary, model, name) for name in columns
        ]
        style = "bold" if model in FOCAL else None
        table.add_row(_SHORT.get(model, model_name(model)), score, *_difference(main), *cells, style=style)
    return table


def benchmark_table(summary: Summary) -> Table | None:
    """The public benchmarks, each model with its interval and its paired difference from base; None without any.

    Scores without tasks whose own solution fails here, or that training pairs overlap with, stand in rows below. Of
    benchmarks of which no model solves any task there are no rows: one line names them.
    """
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=0, pad_edge=False, caption_justify="left")
    for heading in ("model", "benchmark", "pass@1 [95% interval]", "points against base"):
        table.add_column(heading, no_wrap=True)
    rows = score_rows(summary)
    solved = {row.benchmark for row in rows if row.score > 0}
    for row in rows:
        if row.part in _MARKS and row.benchmark in solved - {MAIN_BENCHMARK}:
            label = _SHORT.get(row.model, model_name(row.model)), benchmark_name(row.benchmark) + _MARKS[row.part]
            table.add_row(*label, f"{percent(row.score)} {_interval(row.interval)}", str(row.difference or ""))
    if not table.row_count:
        return None
    lines = ["(1) without tasks whose own solution fails here (2) without tasks that pairs overlap with"]
    if unsolved := [benchmark_name(name) for name in measured_benchmarks(summary) if name not in solved]:
        lines.append("no model solves any task of " + ", ".join(unsolved))
    table.caption = Text("\n".join(lines), style="dim", justify="left")
    return table


def pairs_line(summary: Summary) -> str:
    """How many problems gave a pair, and what became of the others."""
    codeflow = summary["codeflow"]
    dropped = [f"{count} {reason}" for reason, count in codeflow["dropped"].items() if count]
    paired = f"{paired_problems(summary)} of {codeflow['problems']} problems"
    return "; ".join([paired, ", ".join(dropped)]).removesuffix("; ")


def results_notes(summary: Summary) -> Text:
    """What stands below the table: reasons for n/a, benchmarks without a column, and models without results."""
    lines = []
    if "debugger" in summary["models"]:
        lines.append("* wrote the fixes that the pairs are made of: a ceiling, not a competitor")
    lines += [f"{_superscript(number)} {reason}" for reason, number in _footnotes(summary).items()]
    absent = unavailable_by_reason(summary, without=_columns(summary))
    lines += [f"{', '.join(map(benchmark_name, names))} not measured: {reason}" for reason, names in absent.items()]
    if summary["missing"]:
        lines.append("not measured: " + ", ".join(summary["missing"]))
    return Text("\n".join(lines), style="dim", justify="left")


def _columns(summary: Summary) -> set[str]:
    return {MAIN_BENCHMARK, *measured_benchmarks(summary)}


def _footnotes(summary: Summary) -> dict[str, int]:
    """Reason why a score of the benchmarks that are shown is missing → the number of its footnote."""
    shown = _columns(summary)
    reasons = {why for missing in summary["unavailable"].values() for name, why in missing.items() if name in shown}
    return {reason: number for number, reason in enumerate(sorted(reasons), 1)}


def _missing(summary: Summary, model: str, benchmark: str) -> str:
    reason = summary["unavailable"].get(model, {}).get(benchmark)
    return "n/a" + _superscript(_footnotes(summary)[reason]) if reason else "–"


def _difference(row: ScoreRow | None) -> tuple[str, str]:
    if row is None or row.difference is None:
        return "", ""
    low, high = (points(end) for end in row.difference.interval)
    return f"{points(row.difference.value)} [{low},{high}]", p_value(row.difference.p)


def _truth(summary: Summary, benchmark: str) -> str:
    truth = summary["ground_truth"].get(benchmark)
    return share(truth["passed"] / truth["n"]) if truth else "–"


def _interval(ends: Interval) -> str:
    return f"[{share(ends[0])},{share(ends[1])}]"


def _superscript(number: int) -> str:
    return str(number).translate(_SUPERSCRIPTS)
