"""Name the forms that a table of scores is written in, for options of verbs, which load no tables."""

from typing import Literal

Form = Literal["text", "markdown", "latex", "csv"]
