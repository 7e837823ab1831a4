"""What the numbers say, in sentences. They are composed from the data, and say it too when nothing was gained."""

from iterpref_core.report.figures import p_value, percent, points
from iterpref_core.report.labels import COUNTERPARTS, MAIN_BENCHMARK, model_name
from iterpref_core.report.summary import Summary

SIGNIFICANT = 0.05


def headline(summary: Summary) -> str:
    """One sentence: what focal preference training did to held-out pass@1.

    The focal objective with the NLL term speaks for the method where it was trained, else the one without.
    """
    scores = _scores(summary)
    focal = next((name for name in ("target-rpo", "target-dpo") if name in scores), None)
    if focal is None:
        return "No focal objective has been measured yet, so this run cannot say what focal preference training does."
    if "base" not in scores:
        return f"{model_name(focal)} solves {percent(scores[focal])} of the held-out problems; there is no base model."
    change = _verb(_difference(summary, focal, "base"), "raised", "lowered", "did not measurably change")
    reached = f"{change} held-out pass@1: {percent(scores['base'])} before, {percent(scores[focal])} after"
    counterpart = COUNTERPARTS[focal]
    if counterpart not in scores:
        return f"{model_name(focal)} {reached}."
    return f"{model_name(focal)} {reached}; it {_against(summary, focal, counterpart)}."


def findings(summary: Summary) -> list[str]:
    """The sentences under the headline: the other comparisons that decide whether the method is worth its trouble."""
    scores = _scores(summary)
    sentences = []
    if {"target-dpo", "dpo"} <= scores.keys() and "target-rpo" in scores:
        sentences.append(f"Target-DPO {_against(summary, 'target-dpo', 'dpo')}.")
    if {"target-rpo", "sft"} <= scores.keys():
        sentences.append(f"Target-RPO {_against(summary, 'target-rpo', 'sft')}.")
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


def _verb(comparison: Summary, up: str, down: str, same: str) -> str:
    if comparison["p_value"] >= SIGNIFICANT:
        return same
    return up if comparison["difference"] > 0 else down


def _against(summary: Summary, model: str, other: str) -> str:
    comparison = _difference(summary, model, other)
    low, high = comparison["ci95"]
    detail = f"{points(comparison['difference'])} points, 95% interval {points(low)} to {points(high)}"
    verb = _verb(comparison, "better than", "worse than", "not measurably different from")
    return f"is {verb} {model_name(other)} ({detail}, p {_p_in_words(comparison['p_value'])})"


def _p_in_words(p: float) -> str:
    text = p_value(p)
    return text.replace("<", "< ") if text.startswith("<") else f"= {text}"


def _is_worse(summary: Summary, model: str) -> bool:
    compared = summary["comparisons"].get(model, {}).get("base", {}).get(MAIN_BENCHMARK)
    return compared is not None and _verb(compared, "up", "down", "same") == "down"
