"""Stage results: the records that stages `codeflow` and `pairs` return, and the names of their numbers as metrics."""

from collections.abc import Iterator, Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict


class StageResult(BaseModel):
    """The base of the records: immutable; a field that is None is no metric."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    def metrics(self) -> dict[str, float]:
        """Return the numbers under the names that DVC, MLflow and scripts know, such as `dropped/too_long`."""
        return dict(_named(self.model_dump(exclude_none=True), ""))

    @classmethod
    def of_metrics(cls, metrics: Mapping[str, float]) -> Self:
        """Return the record of metrics.

        Raises:
            pydantic.ValidationError: a metric is missing.
        """
        fields: dict[str, Any] = {}
        for name, value in metrics.items():
            *groups, last = name.split("/")
            place = fields
            for group in groups:
                place = place.setdefault(group, {})
            place[last] = value
        return cls.model_validate(fields)


class CodeflowResult(StageResult):
    """The counts over trajectories.

    Attributes:
        problems: the number of problems.
        solved: problems with a version that passes the visible tests.
        solved_but_fails_hidden: problems of these of which such a version fails the hidden tests.
        missing: answers that are missing (`iterpref_core.models.inference.ends`).
        no_program: answers of prose alone, and empty ones.
        pass_rate: iteration → the share of *all* problems solved by then (with sampling: by that sample); the paper's
            figure 6.
        llm_calls: the number of answers.
        prompt_tokens: the tokens that models read.
        completion_tokens: the tokens that models wrote.
        verdicts: verdict → the number of attempts, with zeros.
        verdicts_by_iteration: iteration → the same, of those that occurred.
        cost_usd: the price of the answers; 0 for a model that runs on this machine.
        mixed: with sampling, problems with a sample that passes and one that fails.
        inside: problems that take part with tests that run in the program's own process, if there are any.
        left_out: the reason, `inside`, → problems that take no part, if there are any.
    """

    problems: int
    solved: int
    solved_but_fails_hidden: int
    missing: int
    no_program: int
    pass_rate: dict[int, float]
    llm_calls: int
    prompt_tokens: int
    completion_tokens: int
    verdicts: dict[str, int]
    verdicts_by_iteration: dict[int, dict[str, int]]
    cost_usd: float
    mixed: int | None = None
    inside: int | None = None
    left_out: dict[str, int] | None = None


class PairsResult(StageResult):
    """The pairs that were written, and the reasons why others were not.

    Attributes:
        pairs: the number of pairs.
        further_pairs: with `rejected: all`, those beside the first of a problem.
        dropped: reason → the number of problems without a pair, with zeros; `pairs` and these are all trajectories.
            With `rejected: all` overlaps and near-duplicates are counted by pair; the other reasons by problem.
        contaminated: pairs that overlap with a benchmark, dropped or not.
    """

    pairs: int
    further_pairs: int | None = None
    dropped: dict[str, int]
    contaminated: int


def _named(fields: Mapping[Any, Any], prefix: str) -> Iterator[tuple[str, float]]:
    """Yield the name and value of each number: `{"dropped": {"too_long": 2}}` gives `dropped/too_long`."""
    for name, value in fields.items():
        if isinstance(value, Mapping):
            yield from _named(value, f"{prefix}{name}/")
        else:
            yield f"{prefix}{name}", value
