"""Measure pass@k of models on benchmarks, and compare, show and share the results.

In: a model or samples, and a benchmark. Out: results.json (stage `evaluation`, `evaluation.model_evaluation`), the
summary and pages (stage `report`), leaderboards and gates (`scoring`, `sharing`). Other rooms import the names of
`__all__` alone.
"""

__all__ = [
    "benchmarks",
    "evaluation",
    "report",
    "scoring",
    "sharing",
]
