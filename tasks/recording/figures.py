"""Figures of a stage's run: curves, distributions and counts, as one page without scripts, drawn as in the report."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from iterpref_core.report.charts import Chart, Series, line_chart
from iterpref_core.report.failures import failure_kinds
from iterpref_core.report.labels import in_words
from iterpref_core.report.pair_view import style, templates
from iterpref_core.report.validity_section import judge_charts, share_charts, validity_summary
from tasks.common.paths import RESULTS


def figures_page(title: str, metrics: Mapping[str, float], curve: Sequence[Mapping[str, str]]) -> str | None:
    """A page of what a stage has measured; None where that has neither a curve nor a distribution.

    Args:
        title: the stage.
        metrics: its metrics; a name's part before the last `/` says what belongs together.
        curve: rows of its training curve, numbers as text.
    """
    validity = validity_summary(dict(metrics))
    context = {
        "lines": [chart for chart in (*_curves(curve), _pass_rate(metrics)) if chart],
        "histograms": [*share_charts(validity), *judge_charts(validity)],
        "counts": _counts(metrics),
    }
    if not any(context.values()):
        return None
    page = Path(__file__).with_suffix(".html").read_text(encoding="utf-8")
    return templates().from_string(page).render(title=title, style=style(), **context)


def failure_counts(outputs: Iterable[Path]) -> dict[str, float]:
    """`<benchmark> failures/<kind>` → programs, of an evaluation's results among the outputs; else nothing."""
    results = [path / "results.json" for path in outputs if path.parts[0] == RESULTS.name]
    found = [json.loads(path.read_bytes())["benchmarks"] for path in results if path.is_file()]
    return {
        f"{name} failures/{kind}": float(count)
        for benchmarks in found
        for name, score in benchmarks.items()
        if score.get("errors")
        for kind, count in failure_kinds(score).items()
    }


def _curves(curve: Sequence[Mapping[str, str]]) -> list[Chart | None]:
    columns = dict.fromkeys(name for row in curve for name in row if name not in ("step", "epoch"))
    return [
        line_chart(name, "step", [_series(name, [(row["step"], row[name]) for row in curve if name in row])])
        for name in columns
    ]


def _pass_rate(metrics: Mapping[str, float]) -> Chart | None:
    points = [(found[1], value) for name, value in metrics.items() if (found := re.fullmatch(r"pass_rate/(\d+)", name))]
    return line_chart("Share of problems solved", "iteration (0 is the draft)", [_series("", points)], (0, 1))


def _series(name: str, points: Sequence[tuple[object, object]]) -> Series:
    return Series(name, "target-rpo", tuple((float(str(x)), float(str(y))) for x, y in points))


def _counts(metrics: Mapping[str, float]) -> list[tuple[str, list[tuple[str, str, float]]]]:
    """(name, rows of kind, count and bar in percent of the largest) of whatever was counted by kind, the most first."""
    groups: dict[str, dict[str, float]] = {}
    for name, value in metrics.items():
        group, _, kind = name.rpartition("/")
        if group and value > 0 and value == int(value) and not re.search(r"_p?\d|/\d", name):
            groups.setdefault(group, {})[kind] = value
    ordered = {name: sorted(found.items(), key=lambda item: -item[1]) for name, found in groups.items()}
    return [
        (in_words(name), [(in_words(kind), f"{count:,.0f}", 100 * count / rows[0][1]) for kind, count in rows])
        for name, rows in ordered.items()
        if len(rows) > 1
    ]
