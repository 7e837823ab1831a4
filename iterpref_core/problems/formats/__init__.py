"""File formats of problems and of pairs, one module each; `ingest` checks what they yield."""

from typing import Literal

ProblemFormat = Literal["jsonl", "mbpp", "humaneval", "evalplus"]
"""Problems, whose references are run; the table of readers is in `ingest`."""
PairFormat = Literal["codeflow", "trl", "ultrafeedback", "alpacaeval"]
"""Pairs of programs without tests, which enter at localization; the table of rows is in `preference_pairs`."""
