"""Compose the findings in sentences from the data, also for a run without a gain."""

from ..statistics.comparison import Comparison
from .display_names import BASELINES, COUNTERPARTS, model_name
from .number_formats import p_equation, percent, points
from .score_rows import ScoreRow, compared, main_rows
from .summary_record import Summary


def headline(summary: Summary) -> str:
    """Return one sentence on the effect of focal training on held-out pass@1 and its distance to the best baseline.

    The focal objective with the NLL term speaks for the method if it was trained, else the objective without.
    """
    rows = main_rows(summary)
    # The NLL term matters in the paper, so Target-RPO comes first.
    focal = next((name for name in ("target-rpo", "target-dpo") if name in rows), None)
    if focal is None:
        return "No focal objective has been measured yet, so this run cannot show what focal preference training does."
    method = f"Focal preference training ({model_name(focal)})"
    after = percent(rows[focal].scores.pass_at_1)
    gain = rows[focal].comparison
    if gain is None:
        return f"{method} solves {after} of the held-out problems; the base model was not measured."
    before = percent(rows["base"].scores.pass_at_1)
    effect = {
        1: f"raised held-out pass@1 from {before} to {after}",
        -1: f"lowered held-out pass@1 from {before} to {after}",
        0: f"did not significantly change held-out pass@1 ({before} before, {after} after)",
    }[gain.effect]
    baseline = best_baseline(rows)
    # The baseline decides whether the method is worth its trouble.
    distance = compared(summary, focal, baseline) if baseline else None
    if baseline is None or distance is None:
        return f"{method} {effect}; no baseline was measured."
    size = f"{abs(100 * distance.difference):.1f} points"
    comparison = {
        1: f"{size} above",
        -1: f"{size} below",
        0: "not significantly different from",
    }[distance.effect]
    name = model_name(baseline)
    score = percent(rows[baseline].scores.pass_at_1)
    return f"{method} {effect}, {comparison} the best baseline, {name} ({score})."


def best_baseline(rows: dict[str, ScoreRow]) -> str | None:
    """Return the baseline with the highest held-out pass@1, SFT included; None if none was measured."""
    measured = [name for name in BASELINES if name in rows]
    return max(measured, key=lambda name: rows[name].scores.pass_at_1, default=None)


def findings(summary: Summary) -> list[str]:
    """Return the sentences under the headline: the comparisons that decide if the method is worth its trouble."""
    rows = main_rows(summary)
    sentences = []
    for model, against in [("target-rpo", "sft"), *reversed(COUNTERPARTS.items())]:
        comparison = compared(summary, model, against)
        if comparison:
            sentences.append(_sentence(model, against, comparison))
    harmed = []
    for row in rows.values():
        if row.model != "debugger" and row.comparison and row.comparison.effect < 0:
            harmed.append(f"{model_name(row.model)} ({percent(row.scores.pass_at_1)})")
    if harmed:
        base = percent(rows["base"].scores.pass_at_1)
        sentences.append(f"Worse than the base model ({base}): {' and '.join(harmed)}.")
    if "debugger" in rows:
        ceiling = percent(rows["debugger"].scores.pass_at_1)
        sentences.append(f"The debugger that wrote the fixes solves {ceiling} by itself.")
    return sentences


def _sentence(model: str, against: str, comparison: Comparison) -> str:
    low, high = comparison.ci95
    verb = {
        1: "better than",
        -1: "worse than",
        0: "not significantly different from",
    }[comparison.effect]
    return (
        f"{model_name(model)} is {verb} {model_name(against)}: {points(comparison.difference)} points, "
        f"95% interval {points(low)} to {points(high)}, {p_equation(comparison.p_value)}."
    )
