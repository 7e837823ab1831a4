"""Terminal table of results; fits 80 columns."""

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from iterpref_core.report.labels import BENCHMARKS, FOCAL, MAIN_BENCHMARK, MODELS, benchmark_name, in_order, model_name
from iterpref_core.report.number_formats import difference, p_value, percent, points
from iterpref_core.report.summary import Summary, measured_benchmarks, paired_problems

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


def results_table(summary: Summary) -> Table:
    """pass@1 in percent: held-out with its interval and its difference from the base model, then the benchmarks.

    A score that could not be measured says n/a, with the reason among the `results_notes`. Benchmarks that no model
    could be measured on have no column.
    """
    measured = _measured(summary)
    others = [name for name in in_order(measured, BENCHMARKS) if name != MAIN_BENCHMARK]
    notes = _reasons(summary, measured)
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=0, title="pass@1, percent")
    table.add_column("model", no_wrap=True)
    table.add_column("held-out\n[95% interval]", no_wrap=True, justify="right")
    table.add_column("against base\n[95% interval]", no_wrap=True, justify="right")
    table.add_column("\np", no_wrap=True, justify="right")
    for name in others:
        table.add_column(_HEADERS.get(name, "\n" + benchmark_name(name)), no_wrap=True, justify="right")
    truth = [_share(_truth(summary, name)) for name in (MAIN_BENCHMARK, *others)]
    table.add_row("ground truth", truth[0], "", "", *truth[1:], style="dim")
    for model in in_order(set(summary["models"]), MODELS):
        cells = [_cell(summary, notes, model, name) for name in others]
        style = "bold" if model in FOCAL else None
        table.add_row(_SHORT.get(model, model_name(model)), *_main_cells(summary, notes, model), *cells, style=style)
    return table


def benchmark_table(summary: Summary) -> Table | None:
    """The public benchmarks, each model with its interval and its paired difference from base; None without any.

    Scores without tasks whose own solution fails here, or that training pairs overlap with, stand in rows below. Of
    benchmarks of which no model solves any task there are no rows: one line names them.
    """
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=0, pad_edge=False, caption_justify="left")
    for heading in ("model", "benchmark", "pass@1 [95% interval]", "points against base"):
        table.add_column(heading, no_wrap=True)
    unsolved = _unsolved(summary)
    for model in in_order(set(summary["models"]), MODELS):
        for name in in_order(set(summary["models"][model]) - {MAIN_BENCHMARK, *unsolved}, BENCHMARKS):
            scores = summary["models"][model][name]
            compared = summary["comparisons"].get(model, {}).get("base", {}).get(name, {})
            rows = {"": (scores, compared)}
            for part, mark in (("without_failed_truth", " (1)"), ("without_overlap", " (2)")):
                if part in scores:
                    rows[mark] = scores[part], compared.get(part, {})
            for mark, (shown, against) in rows.items():
                score = f"{percent(shown['pass_at_1'])} {_interval(shown['ci95'])}"
                label = _SHORT.get(model, model_name(model)), benchmark_name(name) + mark
                table.add_row(*label, score, difference(against) if against else "")
    if not table.row_count:
        return None
    lines = ["(1) without tasks whose own solution fails here (2) without tasks that pairs overlap with"]
    if unsolved:
        lines.append("no model solves any task of " + ", ".join(benchmark_name(name) for name in unsolved))
    table.caption = Text("\n".join(lines), style="dim", justify="left")
    return table


def pairs_line(summary: Summary) -> str:
    """How many problems gave a pair, and what became of the others."""
    codeflow = summary["codeflow"]
    dropped = [f"{count} {reason}" for reason, count in codeflow["dropped"].items() if count]
    paired = f"{paired_problems(summary)} of {codeflow['problems']} problems"
    return "; ".join([paired, ", ".join(dropped)]).removesuffix("; ")


def _unsolved(summary: Summary) -> list[str]:
    """The benchmarks that were measured, and of which no model solves any task."""
    found = [(name, score["pass_at_1"]) for scores in summary["models"].values() for name, score in scores.items()]
    return in_order({name for name, _ in found} - {name for name, solved in found if solved > 0}, BENCHMARKS)


def _main_cells(summary: Summary, notes: dict[str, int], model: str) -> tuple[str, str, str]:
    scores = summary["models"][model].get(MAIN_BENCHMARK)
    if scores is None:
        return _cell(summary, notes, model, MAIN_BENCHMARK), "", ""
    score = f"{_share(scores['pass_at_1'])} {_interval(scores['ci95'])}"
    compared = summary["comparisons"].get(model, {}).get("base", {}).get(MAIN_BENCHMARK)
    if compared is None:
        return score, "", ""
    difference = f"{points(compared['difference'])} [{','.join(points(end) for end in compared['ci95'])}]"
    return score, difference, p_value(compared["p_value"])


def _cell(summary: Summary, notes: dict[str, int], model: str, benchmark: str) -> str:
    scores = summary["models"][model].get(benchmark)
    if scores is not None:
        return _share(scores["pass_at_1"])
    reason = summary["unavailable"].get(model, {}).get(benchmark)
    return "n/a" + _superscript(notes[reason]) if reason else "–"


def _share(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}"


def _interval(ends: list[float]) -> str:
    return f"[{','.join(_share(end) for end in ends)}]"


def _superscript(number: int) -> str:
    return str(number).translate(_SUPERSCRIPTS)


def _truth(summary: Summary, benchmark: str) -> float | None:
    truth = summary["ground_truth"].get(benchmark)
    return truth["passed"] / truth["n"] if truth else None


def _reasons(summary: Summary, shown: set[str]) -> dict[str, int]:
    """Reason why a score of the benchmarks that are shown is missing → the number of its footnote."""
    found = {reason for why in summary["unavailable"].values() for name, reason in why.items() if name in shown}
    return {reason: number for number, reason in enumerate(sorted(found), 1)}


def _unmeasured(summary: Summary) -> list[str]:
    """A line for each reason why benchmarks have no column."""
    measured = _measured(summary)
    reasons: dict[str, set[str]] = {}
    for why in summary["unavailable"].values():
        for name in why.keys() - measured:
            reasons.setdefault(why[name], set()).add(name)
    return [
        f"{', '.join(benchmark_name(name) for name in in_order(names, BENCHMARKS))} not measured: {reason}"
        for reason, names in sorted(reasons.items())
    ]


def _measured(summary: Summary) -> set[str]:
    """The benchmarks that have a column."""
    return {MAIN_BENCHMARK} | measured_benchmarks(summary)


def results_notes(summary: Summary) -> Text:
    """What stands below the table: reasons for n/a, benchmarks without a column, and models without results."""
    notes = _reasons(summary, _measured(summary))
    lines = []
    if "debugger" in summary["models"]:
        lines.append("* wrote the fixes that the pairs are made of: a ceiling, not a competitor")
    lines += [f"{_superscript(number)} {reason}" for reason, number in notes.items()] + _unmeasured(summary)
    if summary["missing"]:
        lines.append("not measured: " + ", ".join(summary["missing"]))
    return Text("\n".join(lines), style="dim", justify="left")
