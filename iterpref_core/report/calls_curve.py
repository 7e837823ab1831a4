"""Calls curve: problems solved against calls of a model, of those whose draft fails (the paper's tables 5 and 6).

The experiment's own curve follows from its pass rates. Where `report_data/calls.csv` has a comparison of debugging with
sampling, made by `iterpref compare-sources` on the same kind of problems, its two curves stand beside it. So does the
paper's curve of debugging, which follows from its figure 6 as ours does from our rates.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from iterpref_core.report.charts import Chart, Series, line_chart
from iterpref_core.report.labels import PAPER_PASS_RATES, PAPER_SOLVED_BY_CALLS
from iterpref_core.report.number_formats import interval, p_value, percent, points
from iterpref_core.report.summary import Summary

Curve = tuple[tuple[int, float], ...]
"""(calls a problem at most, share solved), from one call on."""


def own_curve(summary: Summary) -> Curve:
    """Share of the problems whose draft fails that further calls solve; empty where every draft passes."""
    return _of_failing_drafts(summary["codeflow"]["pass_rate_by_iteration"])


def paper_curve() -> Curve:
    """The same share in the paper, by debugging: from its figure 6, which ends at the 67.5% of its table 5."""
    return _of_failing_drafts(PAPER_PASS_RATES)


def compared_curves(summary: Summary) -> dict[str, Curve]:
    """`debugging` and `sampling` of the comparison that was made, as far as each is known; empty without one."""
    rows: Sequence[Mapping[str, Any]] = summary["calls"]
    return {
        source: tuple((row["calls"], row[name] / row["problems"]) for row in rows if row[name] is not None)
        for source, name in (("debugging", "debugging_solved"), ("sampling", "sampling_solved"))
        if rows
    }


def calls_chart(summary: Summary, own_name: str) -> Chart | None:
    """The curves, the paper's beside them; None where every draft passes and nothing was compared."""
    series = [Series(own_name, "target-rpo", own_curve(summary))]
    series += [Series(f"{source}, compared", source, curve) for source, curve in compared_curves(summary).items()]
    if any(one.points for one in series):
        series.append(Series("the paper, debugging", "paper", paper_curve()))
    title = "Share solved of the problems whose draft fails"
    return line_chart(title, "calls per problem, at most", series, (0, 1), "{:.0%}".format)


def calls_rows(summary: Summary) -> list[tuple[int, tuple[str, str], tuple[str, str], str, str]]:
    """Of the comparison: (calls, debugging, sampling, points with interval, p), at 1, 5, 10 … calls.

    Of each source there are the share solved, and the calls made in all.
    """
    rows: Sequence[Mapping[str, Any]] = summary["calls"]
    last = rows[-1]["calls"] if rows else 0
    both = max((row["calls"] for row in rows if row["difference"] is not None), default=0)
    return [
        (
            row["calls"],
            _solved(row, "debugging"),
            _solved(row, "sampling"),
            _points(row),
            p_value(row["p_value"]) if row["p_value"] is not None else "–",
        )
        for row in rows
        if row["calls"] % 5 == 0 or row["calls"] in {1, both, last}
    ]


def paper_calls_rows(summary: Summary) -> list[tuple[str, str, str, str, str]]:
    """The paper's tables 5 and 6: (source, of which problems, calls, solved there, solved here or a dash).

    Ours are of all problems, after five refinements or with five samples, whichever this run made.
    """
    made, rates = summary["provenance"]["params"]["codeflow"]["source"], summary["codeflow"]["pass_rate_by_iteration"]
    place = {"debugging": 5, "sampling": 4}[made]
    own = percent(rates[place]) if len(rates) > place else "–"
    return [
        (source, which, calls, percent(solved), own if (source, which) == (made, "all") else "–")
        for source, which, calls, solved in PAPER_SOLVED_BY_CALLS
    ]


def _of_failing_drafts(rates: Sequence[float]) -> Curve:
    if not rates or rates[0] >= 1:
        return ()
    return tuple((call, (rate - rates[0]) / (1 - rates[0])) for call, rate in enumerate(rates, 1))


def _solved(row: Mapping[str, Any], source: str) -> tuple[str, str]:
    solved, spent = row[f"{source}_solved"], row[f"{source}_spent"]
    share = "–" if solved is None else percent(solved / row["problems"])
    return share, "" if spent is None else f"{spent:,} calls"


def _points(row: Mapping[str, Any]) -> str:
    if row["difference"] is None:
        return "–"
    return f"{points(row['difference'])} {interval((row['ci95_low'], row['ci95_high']))}"
