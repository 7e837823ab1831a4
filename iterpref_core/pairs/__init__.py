"""Make preference pairs of problems, and mark the error region of each failing program.

In: problems and a model. Out: trajectories (stage `codeflow`), pairs of a passing and a failing program (stage
`pairs`, `selection.pair_selection.select_pairs`), and the spans that the repair changed (stage `localization`). Other
rooms import the names of `__all__` alone.
"""

__all__ = [
    "codeflow",
    "ingestion",
    "localization",
    "selection",
]
