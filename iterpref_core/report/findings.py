"""Findings in sentences, composed from the data; they say it too when nothing was gained."""

from collections.abc import Mapping
from typing import Any

from iterpref_core.report.labels import BASELINES, COUNTERPARTS, MAIN_BENCHMARK, model_name
from iterpref_core.report.number_formats import p_equation, percent, points
from iterpref_core.report.summary import Summary

SIGNIFICANT = 0.05
"""Below this p-value a difference is called one."""


def headline(summary: Summary) -> str:
    """One sentence: what focal preference training did to held-out pass@1, and where that is from the best baseline.

    The focal objective with the NLL term speaks for the method where it was trained, else the one without.
    """
    scores = _scores(summary)
    focal = next((name for name in ("target-rpo", "target-dpo") if name in scores), None)
    if focal is None:
        return "No focal objective has been measured yet, so this run cannot say what focal preference training does."
    method = f"Focal preference training ({model_name(focal)})"
    if "base" not in scores:
        return f"{method} solves {percent(scores[focal])} of the held-out problems; the base model was not measured."
    before, after = percent(scores["base"]), percent(scores[focal])
    effect = {
        1: f"raised held-out pass@1 from {before} to {after}",
        -1: f"lowered held-out pass@1 from {before} to {after}",
        0: f"did not significantly change held-out pass@1 ({before} before, {after} after)",
    }[effect_sign(_difference(summary, focal, "base"))]
    baseline = best_baseline(summary)
    if baseline is None:
        return f"{method} {effect}; no baseline was measured."
    comparison = _difference(summary, focal, baseline)
    distance = f"{abs(100 * comparison['difference']):.1f} points"
    place = {
        1: f"{distance} above",
        -1: f"{distance} below",
        0: "not significantly different from",
    }[effect_sign(comparison)]
    return f"{method} {effect}, {place} the best baseline, {model_name(baseline)} ({percent(scores[baseline])})."


def best_baseline(summary: Summary) -> str | None:
    """The baseline with the highest held-out pass@1, SFT included; None where none was measured."""
    scores = _scores(summary)
    return max((name for name in BASELINES if name in scores), key=lambda name: scores[name], default=None)


def effect_sign(comparison: Mapping[str, Any]) -> int:
    """1 better, -1 worse, 0 within what chance explains: p is 0.05 or more, or the interval includes 0."""
    low, high = comparison["ci95"]
    if comparison["p_value"] >= SIGNIFICANT or low <= 0 <= high:
        return 0
    return 1 if comparison["difference"] > 0 else -1


def findings(summary: Summary) -> list[str]:
    """The sentences under the headline: the comparisons that decide whether the method is worth its trouble."""
    scores = _scores(summary)
    questions = [*((focal, other) for focal, other in COUNTERPARTS.items()), ("target-rpo", "sft")]
    sentences = [_compared(summary, a, b) for a, b in reversed(questions) if a in scores and b in scores]
    harmed = [name for name in scores if name not in ("base", "debugger") and _is_worse(summary, name)]
    if harmed:
        names = " and ".join(f"{model_name(name)} ({percent(scores[name])})" for name in harmed)
        sentences.append(f"Worse than the base model ({percent(scores['base'])}): {names}.")
    if "debugger" in scores:
        sentences.append(f"The debugger that wrote the fixes solves {percent(scores['debugger'])} by itself.")
    return sentences


def _scores(summary: Summary) -> dict[str, float]:
    measured = summary["models"].items()
    return {name: scores[MAIN_BENCHMARK]["pass_at_1"] for name, scores in measured if MAIN_BENCHMARK in scores}


def _difference(summary: Summary, model: str, against: str) -> Summary:
    found: Summary = summary["comparisons"][model][against][MAIN_BENCHMARK]
    return found


def _compared(summary: Summary, model: str, other: str) -> str:
    comparison = _difference(summary, model, other)
    low, high = (points(end) for end in comparison["ci95"])
    verb = {1: "better than", -1: "worse than", 0: "not significantly different from"}[effect_sign(comparison)]
    return (
        f"{model_name(model)} is {verb} {model_name(other)}: {points(comparison['difference'])} points, "
        f"95% interval {low} to {high}, {p_equation(comparison['p_value'])}."
    )


def _is_worse(summary: Summary, model: str) -> bool:
    compared = summary["comparisons"].get(model, {}).get("base", {}).get(MAIN_BENCHMARK)
    return compared is not None and effect_sign(compared) < 0
