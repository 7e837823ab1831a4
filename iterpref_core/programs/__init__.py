"""Programs as text: Python source, programs inside of answers, secrets in both.

In: source code or the answer of a model. Out: lines, names, normal forms, mutants, and the program that an answer
holds. Other rooms import the names of `__all__` alone.
"""

__all__ = [
    "answers",
    "source_code",
]
