"""Define the record of results.json, which holds one model's scores on benchmarks.

Evaluation writes the file; the report, the cards, the gate and MLflow read it.
"""

import re
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field


def metric_name(benchmark: str) -> str:
    """Return a benchmark's name within the name of a metric, where MLflow refuses a plus.

    >>> metric_name("mbpp+")
    'mbpp_plus'
    """
    return benchmark.replace("+", "_plus")


class ResultRecord(BaseModel):
    """The base of the records of results.json, which are immutable and omit fields that are None."""

    # Pydantic's `in` compares with pairs of name and value, so `"n" in record` would be false, without a word.
    __contains__: ClassVar[None] = None

    model_config = ConfigDict(frozen=True, extra="ignore")

    def to_json(self) -> dict[str, Any]:
        """Return the record in the form of the file."""
        return self.model_dump(mode="json", exclude_none=True)


class ScoreAtK(NamedTuple):
    """pass@k of one k; older results lack the interval and the number of tasks that have k samples."""

    score: float
    ci95: tuple[float, float] | None
    n: int | None


class ScoreRecord(ResultRecord, extra="allow"):
    """pass@1 over `n` tasks with a 95% interval, as shares of 1.

    Scores of larger k are extra fields: `pass_at_5`, its 95% interval `pass_at_5_ci95`, and `pass_at_5_n`, the number
    of tasks that have five samples.
    """

    n: Annotated[int, Field(gt=0)]
    pass_at_1: float
    ci95: tuple[float, float]

    @property
    def beyond(self) -> dict[str, Any]:
        """Return what is known of other k than 1, by field."""
        extra = self.model_extra or {}
        return {name: value for name, value in extra.items() if re.fullmatch(r"pass_at_\d+(_ci95|_n)?", name)}

    @property
    def of_other_k(self) -> dict[int, ScoreAtK]:
        """Return k → pass@k, of other k than 1, in their order."""
        fields = self.beyond
        found = sorted({int(name.split("_")[2]) for name in fields})
        names = {k: f"pass_at_{k}" for k in found}
        return {
            k: ScoreAtK(fields[name], fields.get(f"{name}_ci95"), fields.get(f"{name}_n")) for k, name in names.items()
        }

    @property
    def numbers_of_other_k(self) -> dict[str, float]:
        """Return the same by the names of metrics: `pass_at_5`, `pass_at_5_ci95_low`, `…_high`, `pass_at_5_n`."""
        numbers: dict[str, float] = {}
        for k, (score, ci95, n) in self.of_other_k.items():
            numbers[f"pass_at_{k}"] = score
            if ci95:
                numbers[f"pass_at_{k}_ci95_low"], numbers[f"pass_at_{k}_ci95_high"] = ci95
            if n:
                numbers[f"pass_at_{k}_n"] = n
        return numbers


class DifficultyRecord(ScoreRecord):
    """The score of the tasks of one difficulty."""

    tasks: tuple[str, ...]


class GroundTruth(ResultRecord):
    """The outcome of a benchmark's canonical solutions: which failed, and the feedback on those."""

    n: int
    passed: int
    failed: tuple[str, ...]
    reasons: dict[str, str] | None = None


class DataFile(ResultRecord):
    """The data of a benchmark, by name and hash."""

    name: str
    sha256: str


class TokenCounts(ResultRecord):
    """The tokens of all answers to a benchmark: read, written, and written per answer.

    Reasoning counts as written, and so do answers that could not be used. `estimated` is the number of answers whose
    tokens were not counted by the server, if there are any.
    """

    prompt: int
    completion: int
    per_answer: float
    estimated: int | None = None


class Measurement(ResultRecord):
    """The part of a result about the programs that ran and how they ended.

    Attributes:
        errors: verdict → the number of samples that have it; without `passed`.
        exceptions: name of an exception's type → the number of samples that failed with it.
        passed: the tasks with a sample that passed.
        verdicts: task_id → the verdict on each of its samples.
        feedback: task_id → the feedback on each of its samples, for tasks with a failing sample.
        data: the benchmark's data.
        harness: the name of the engine that ran the programs.
        limits: the limits of each program.
        isolation: the layers of isolation around the programs.
        inside: the number of tasks with tests that ran inside, in the program's own process, if there are any.
        ground_truth: the outcome of the benchmark's canonical solutions, if there are any.
        by_difficulty: the scores by the difficulty of tasks, if they have one.
        truncated: the number of answers that a limit of tokens has cut.
        sampling: how the model was asked.
        tokens: the tokens of the answers, if a model was asked.
        cost_usd: the price of these tokens, if it is known.
        answers: the number of answers without a program, by reason.
        extracted: True if the programs were found in the answers of a file.
        partial: the number of all `tasks`, where only some had samples.
        limit: the number of tasks, where only the first ones were asked.
        window: the release and dates of LiveCodeBench.
    """

    errors: dict[str, int]
    exceptions: dict[str, int] | None = None
    passed: tuple[str, ...]
    verdicts: dict[str, tuple[str, ...]]
    feedback: dict[str, tuple[str, ...]] | None = None
    data: DataFile
    harness: str
    limits: dict[str, Any]
    isolation: str
    inside: int | None = None
    ground_truth: GroundTruth | None = None
    by_difficulty: dict[str, DifficultyRecord] | None = None
    truncated: int | None = None
    sampling: dict[str, Any] | None = None
    tokens: TokenCounts | None = None
    cost_usd: float | None = None
    answers: dict[str, int] | None = None
    extracted: bool | None = None
    partial: dict[str, int] | None = None
    limit: int | None = None
    window: dict[str, Any] | None = None


class Measured(Measurement, ScoreRecord):
    """The result of a benchmark with an answer to every prompt."""

    available: Literal[True]


class Unavailable(ResultRecord):
    """The result of a benchmark without a score, such as one whose data cannot be had here."""

    available: Literal[False]
    reason: str


class Incomplete(Unavailable, Measurement):
    """The result of a benchmark with missing answers; its score lies between two bounds.

    Attributes:
        n: the number of tasks.
        missing: reason → the number of missing answers; a task's feedback has its own reason.
        pass_at_1_bounds: pass@1 if no missing answer passed, and if all did.
        ci95: the lower end of the interval of the first, and the upper end of the second.
    """

    n: int
    missing: dict[str, int]
    pass_at_1_bounds: tuple[float, float]
    ci95: tuple[float, float]


class ModelResults(ResultRecord):
    """The results.json of one model; `weights` is the fingerprint of the measured weights, if there were any."""

    model: str
    weights: str | None = None
    benchmarks: dict[str, Measured | Incomplete | Unavailable]

    @property
    def measured(self) -> dict[str, Measured]:
        """The benchmarks that ran."""
        return {name: result for name, result in self.benchmarks.items() if isinstance(result, Measured)}

    @property
    def unavailable(self) -> dict[str, str]:
        """The reasons why benchmarks have no score, by benchmark."""
        return {name: result.reason for name, result in self.benchmarks.items() if isinstance(result, Unavailable)}

    @property
    def incomplete(self) -> dict[str, Incomplete]:
        """The benchmarks with missing answers."""
        return {name: result for name, result in self.benchmarks.items() if isinstance(result, Incomplete)}

    def metrics(self) -> dict[str, float]:
        """Return a model's scores by the names of metrics in DVC and MLflow, with `_plus` for `+`.

        Of a benchmark with missing answers: their number, and the bounds of the score.

        Returns:
            `<benchmark>/pass_at_1`, `/ci95_low`, `/ci95_high`, `/n`, and others, of each benchmark that ran.
        """
        # "mbpp+" gives mbpp_plus/pass_at_1, mbpp_plus/ci95_low and so on.
        metrics: dict[str, float] = {}
        for benchmark, result in self.benchmarks.items():
            if not isinstance(result, Measured | Incomplete):
                continue
            low, high = result.ci95
            numbers = {"ci95_low": low, "ci95_high": high, "n": float(result.n)}
            if isinstance(result, Incomplete):
                numbers["missing"] = float(sum(result.missing.values()))
                numbers["pass_at_1_low"], numbers["pass_at_1_high"] = result.pass_at_1_bounds
            else:
                numbers |= {"pass_at_1": result.pass_at_1, **result.numbers_of_other_k}
            name = metric_name(benchmark)
            metrics |= {f"{name}/{key}": value for key, value in numbers.items()}
        return metrics
