"""Make, read and screen problems, which are programming tasks with tests.

In: the feature tree (stage `problems`), published sets (`ingestion`), a project's own code, or a model (`synthesis`).
Out: problems whose tests pass right programs, and the demands of their tests (stage `validity`).
`composition.problem_splits.build_problems` is the stage's entry point. Other rooms import the names of `__all__` alone.
"""

__all__ = [
    "composition",
    "ingestion",
    "own_code",
    "screening",
    "synthesis",
    "validity",
]
