"""Evaluation: pass@k of models on benchmarks, and everything that compares or shows results.

In: a model or samples, and a benchmark. Out: results.json (stage `evaluation`, `evaluation.evaluate_model`), the
summary and pages (stage `report`), leaderboards and gates (`scoring`, `sharing`). Other rooms import the names of
`__all__` alone.
"""

__all__ = [
    "benchmarks",
    "evaluation",
    "inspection",
    "report",
    "scoring",
    "sharing",
    "statistics",
]
