"""Define the records that stages return, and name their numbers as metrics.

Stage `evaluation` returns `results.ModelResults`, and stage `report` the record of summary.json.
"""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict


class StageResult(BaseModel):
    """The base of the records, which are immutable; None is omitted from the metrics."""

    __contains__: ClassVar[None] = None  # as in `ResultRecord`

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
        # "dropped/too_long" becomes {"dropped": {"too_long": …}}.
        fields: dict[str, Any] = {}
        for name, value in metrics.items():
            *groups, last = name.split("/")
            place = fields
            for group in groups:
                place = place.setdefault(group, {})
            place[last] = value
        return cls.model_validate(fields)


class ProblemsResult(StageResult):
    """The problems that were written.

    Attributes:
        problems: split → problems; and `ingested`, the user's own among them.
    """

    problems: dict[str, int]


class EmbeddedTraining(BaseModel, frozen=True):
    """The training of an embedded model: the last loss, in nats a token, and the number of examples."""

    loss: float
    examples: int


class NanolabResult(StageResult):
    """The embedded models that were trained.

    Attributes:
        student: the training of the student; None where another model is named.
        debugger: the training of the debugger.
        bf16: 1 for training in bfloat16; None if no model was trained.
    """

    student: EmbeddedTraining | None = None
    debugger: EmbeddedTraining | None = None
    bf16: float | None = None


class ValidityResult(StageResult):
    """The quality of problems' tests, with None for unmeasured quantities.

    Attributes:
        problems: the number of problems.
        inside: problems of these with tests that run in the program's own process, if there are any.
        references: verdict, or `none`, → the number of references.
        mutants: the number of changed references.
        killed: the mutants that fail the tests.
        mutation_score: the share of all mutants that fail.
        line_coverage: the share of lines that the tests execute, the mean over problems.
        branch_coverage: the share of branches.
        coverage: the share of lines and branches together.
    """

    problems: int = 0
    inside: int | None = None
    references: dict[str, int] = {}
    mutants: int = 0
    killed: int = 0
    mutation_score: float | None = None
    line_coverage: float | None = None
    branch_coverage: float | None = None
    coverage: float | None = None


class CodeflowResult(StageResult):
    """The counts over trajectories; by default of none.

    Attributes:
        problems: the number of problems.
        solved: problems with a version that passes the visible tests.
        solved_but_fails_hidden: solved problems with a passing version that fails the hidden tests.
        missing: answers that are missing (`iterpref_core.models.inference.finish_reasons`).
        no_program: answers of prose alone, and empty ones.
        pass_rate: iteration → the share of *all* problems solved by then (with sampling: by that sample); the paper's
            figure 6.
        llm_calls: the number of answers, with those that could not be used, of this run and of earlier ones.
        prompt_tokens: the tokens that models read for them.
        completion_tokens: the tokens that models wrote.
        tokens_estimated: the answers whose tokens were not counted by the server, if there are any.
        verdicts: verdict → the number of attempts, with zeros.
        verdicts_by_iteration: iteration → verdict → the number of attempts, without zeros.
        cost_usd: the price of the answers; 0 for a model that runs on this machine.
        mixed: with sampling, problems with both a passing and a failing sample.
        inside: problems that take part with tests that run in the program's own process, if there are any.
        refused: the reason, `inside`, → problems that take no part, if there are any.
        bf16: 1 if the student computed in bfloat16; None if that is not known.
    """

    problems: int = 0
    solved: int = 0
    solved_but_fails_hidden: int = 0
    missing: int = 0
    no_program: int = 0
    pass_rate: dict[int, float] = {}
    llm_calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    tokens_estimated: int | None = None
    verdicts: dict[str, int] = {}
    verdicts_by_iteration: dict[int, dict[str, int]] = {}
    cost_usd: float = 0.0
    mixed: int | None = None
    inside: int | None = None
    refused: dict[str, int] | None = None
    bf16: float | None = None

    @property
    def tokens(self) -> int:
        """The tokens that models read and wrote."""
        return self.prompt_tokens + self.completion_tokens

    @property
    def pass_rates(self) -> list[float]:
        """The share of problems solved up to each iteration."""
        return [share for _, share in sorted(self.pass_rate.items())]


class PairsResult(StageResult):
    """The pairs that were written, and the reasons why others were not.

    Attributes:
        pairs: the number of pairs.
        replay: the programs to replay, which are rows of the same file; None if none were wanted.
        further_pairs: with `rejected: all`, pairs after the first of a problem.
        dropped: reason → the number of problems without a row, with zeros; rows and these are all trajectories.
            With `rejected: all` overlaps are counted by pair; the other reasons by problem.
        contaminated: pairs that overlap with a benchmark, dropped or not.
        own: file of the user's own pairs → `pairs` taken from it, programs to `replay`, and reason → pairs left out.
            They count in `pairs` and `replay`, and not in `dropped`.
    """

    pairs: int
    replay: int | None = None
    further_pairs: int | None = None
    dropped: dict[str, int]
    contaminated: int
    own: dict[str, dict[str, int]] | None = None

    @property
    def made(self) -> int:
        """The pairs that are not the user's own."""
        return self.pairs - self._own("pairs")

    @property
    def paired(self) -> int:
        """The problems with a pair; with `rejected: all` one may have several."""
        return self.made - (self.further_pairs or 0)

    @property
    def replayed(self) -> int:
        """The problems whose draft is replayed."""
        return (self.replay or 0) - self._own("replay")

    def _own(self, kind: str) -> int:
        return sum(counts.get(kind, 0) for counts in (self.own or {}).values())


class LocalizationResult(StageResult):
    """The error regions that were written, and the effects of the policy for fixes that only insert.

    Attributes:
        pairs: the pairs that are written.
        replay: the programs alone that are written, which have no region; None without any.
        given: pairs whose region was there before, and is kept.
        empty: pairs whose D- has no text.
        anchored: empty pairs that got an anchor.
        dropped: reason → pairs that are left out. `empty`: by policy `drop`. `equal`: by each but `keep`, because
            the programs differ in blanks at most.
        focal_line_share: the share of the written pairs' failing lines with text that lie in a span.
    """

    pairs: int
    replay: int | None = None
    given: int
    empty: int
    anchored: int
    dropped: dict[str, int]
    focal_line_share: float


class TrainingResult(StageResult):
    """A training with one objective.

    Attributes:
        pairs: the pairs that were trained on.
        replay: the programs alone that were trained on; None without any.
        steps: the last step.
        model_step: the step of the weights that were written.
        loss: the mean over the run.
        rewards: the last values, by name; empty for an objective without a preference term.
        focal_token_share: the share of the failing programs' tokens that count.
        data: the numbers of `checks.PairChecks`.
        validation_pairs: the pairs that were held out, if the written weights were measured on them.
        validation: `loss`, of the written weights.
        stopped: `patience` or the reason of a divergence → the step that showed it, if training ended early.
        bf16: 1 for training in bfloat16.
        surviving_change: the share of the weights' change that rounding to the written precision left.
    """

    pairs: int
    replay: int | None = None
    steps: int
    model_step: int
    loss: float
    rewards: dict[str, float] = {}
    focal_token_share: float
    data: dict[str, float]
    validation_pairs: int | None = None
    validation: dict[str, float] | None = None
    stopped: dict[str, int] | None = None
    bf16: float | None = None
    surviving_change: float | None = None


def _named(fields: Mapping[Any, Any], prefix: str) -> Iterator[tuple[str, float]]:
    """Yield the name and value of each number: `{"dropped": {"too_long": 2}}` gives `dropped/too_long`."""
    for name, value in fields.items():
        if isinstance(value, Mapping):
            yield from _named(value, f"{prefix}{name}/")
        else:
            yield f"{prefix}{name}", value
