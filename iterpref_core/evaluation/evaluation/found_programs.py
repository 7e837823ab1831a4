"""Found programs: the programs to score, and how they were found: in answers of a model, or in a file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from iterpref_core.records import Sample
from iterpref_core.records.results import TokenCounts


@dataclass(frozen=True)
class FoundPrograms:
    """The programs to score, in order, and the texts in which they were found.

    A text that is missing is in none of the lists, but its task is in `missing`.

    Attributes:
        tasks: the task of each program.
        texts: the model's answers, or the samples of a file, as they came.
        programs: the program in each text; empty for a text without one.
        truncated: for each text whether a limit of tokens has cut its program; None where that is not known.
        missing: (task, the reason why an answer to it is missing).
        counts: further counts of texts, for `Measurement.answers`.
        sampling: how the model was asked; None where none was.
        tokens: the tokens of a model's answers.
        cost_usd: their price, if it is known.
        extracted: True if the programs were found in the answers of a file.
        partial: the number of all tasks, where only some have a program.
    """

    tasks: Sequence[Any]
    texts: Sequence[str]
    programs: Sequence[str]
    truncated: Sequence[bool] | None = None
    missing: Sequence[tuple[Any, str]] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    sampling: dict[str, Any] | None = None
    tokens: TokenCounts | None = None
    cost_usd: float | None = None
    extracted: bool | None = None
    partial: int | None = None

    @cached_property
    def samples(self) -> list[Sample]:
        """Return the programs as samples of their tasks."""
        samples = []
        for task, program in zip(self.tasks, self.programs, strict=True):
            samples.append(Sample(task_id=task.task_id, solution=program))
        return samples
