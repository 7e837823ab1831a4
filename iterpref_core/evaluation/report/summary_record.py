"""Define the record of `reports/summary.json`: the experiment in one object that scripts can rely on.

The report writes the file; the page, the terminal, the cards, MLflow and Prefect read it.
"""

import json
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ValidationError

from iterpref_core.records import (
    CodeflowResult,
    GroundTruth,
    InputError,
    LocalizationResult,
    PairsResult,
    ScoreRecord,
    TokenCounts,
    ValidityResult,
    metric_name,
    read_text,
)
from iterpref_core.storage.jsonl import write_text

from ..statistics.comparison import Comparison


class SummaryRecord(BaseModel, frozen=True):
    """The base of the records of summary.json: immutable; the file leaves out fields that are None."""

    __contains__: ClassVar[None] = None  # as in `ResultRecord`


class Contamination(SummaryRecord):
    """The overlap of pairs with benchmarks, as stage `pairs` wrote it.

    Attributes:
        pairs: the number of pairs that overlap with a benchmark.
        dropped: the pairs of these that were dropped.
        benchmarks: benchmark → its file, digest and tasks, and the pairs that share something with a task, by kind.
        absent: benchmark that was not checked → the reason.
    """

    pairs: int
    dropped: int
    benchmarks: dict[str, dict[str, Any]]
    absent: dict[str, str]


class BenchmarkScores(ScoreRecord):
    """A model's scores on a benchmark.

    Attributes:
        samples: the number of programs.
        errors: verdict → the number of failed programs.
        exceptions: name of an exception's type → the number of programs that failed with it.
        inside: the tasks whose tests ran in the program's own process.
        parts: difficulty → the score on its tasks.
        truncated: the answers that the limit of tokens cut off.
        tokens: the tokens of prompts and answers.
        cost_usd: the price of all answers.
    """

    samples: int
    errors: dict[str, int]
    exceptions: dict[str, int] | None = None
    inside: int | None = None
    parts: dict[str, ScoreRecord] | None = None
    truncated: int | None = None
    tokens: TokenCounts | None = None
    cost_usd: float | None = None

    @property
    def failures(self) -> dict[str, int]:
        """Return kind → failed programs. A kind is a verdict, or the exception's name if it is known."""
        others = dict(self.errors)
        if self.exceptions is None:
            return others
        # An exception inside a unit test fails the test: these programs count as wrong answers.
        within_tests = sum(self.exceptions.values()) - others.pop("exception", 0)
        rest = others.pop("wrong_answer", 0) - within_tests
        wrong = {"wrong_answer": rest} if rest else {}
        return self.exceptions | wrong | others


class Provenance(SummaryRecord):
    """The origin of the results.

    Attributes:
        params: all parameters.
        inputs: artifact → MD5 from DVC.
        weights: model → fingerprint of its weights.
        data: name of a benchmark's data → SHA-256.
        isolation: the isolation of the programs.
        versions: package → version.
    """

    params: dict[str, Any]
    inputs: dict[str, str]
    weights: dict[str, str]
    data: dict[str, str]
    isolation: str
    versions: dict[str, str]


class Summary(SummaryRecord):
    """The object in summary.json.

    Attributes:
        codeflow: the attempts.
        pairs: the choice of pairs.
        validity: the quality of the tests.
        localization: the error regions.
        contamination: the overlap of pairs with benchmarks.
        models: model → benchmark → scores.
        unavailable: model → benchmark → the reason why it could not be measured.
        missing: the models of the experiment that have no results.
        ground_truth: benchmark → the outcome of its canonical solutions: the worst that any model's evaluation saw.
        comparisons: model → compared with → benchmark → comparison.
        provenance: the origin of the results.
    """

    codeflow: CodeflowResult
    pairs: PairsResult
    validity: ValidityResult
    localization: LocalizationResult
    contamination: Contamination
    models: dict[str, dict[str, BenchmarkScores]]
    unavailable: dict[str, dict[str, str]]
    missing: tuple[str, ...]
    ground_truth: dict[str, GroundTruth]
    comparisons: dict[str, dict[str, dict[str, Comparison]]]
    provenance: Provenance

    def to_json(self) -> dict[str, Any]:
        """Return the summary as the file has it, where `codeflow` also has the numbers of its pairs, for scripts."""
        content = self.model_dump(mode="json", exclude_none=True)
        content["codeflow"] |= {
            "pass_rate_by_iteration": self.codeflow.pass_rates,
            "pairs": self.pairs.made,
            "dropped": self.pairs.dropped,
            "tokens": self.codeflow.tokens,
            **self.per_pair,
        }
        return content

    @property
    def cost(self) -> tuple[int, float]:
        """Return the tokens of all prompts and answers, of CodeFlow and of evaluation, and their price in dollars."""
        tokens = self.codeflow.tokens + sum(count.prompt + count.completion for count in self._token_counts)
        scores = [score for benchmarks in self.models.values() for score in benchmarks.values()]
        return tokens, self.codeflow.cost_usd + sum(score.cost_usd or 0.0 for score in scores)

    @property
    def is_estimated(self) -> bool:
        """Return True if a server did not count all tokens of its answers."""
        return bool(self.codeflow.tokens_estimated or any(count.estimated for count in self._token_counts))

    @property
    def _token_counts(self) -> list[TokenCounts]:
        scores = (score for benchmarks in self.models.values() for score in benchmarks.values())
        return [score.tokens for score in scores if score.tokens]

    @property
    def per_pair(self) -> dict[str, float]:
        """Return the calls and the dollars of a pair, if there is one."""
        made = self.pairs.made
        flow = self.codeflow
        return {"calls_per_pair": flow.llm_calls / made, "cost_usd_per_pair": flow.cost_usd / made} if made else {}

    def metrics(self) -> dict[str, float]:
        """Return the numbers of stage `report`, under names that DVC and MLflow know, which have `_plus` for `+`.

        Returns:
            `<benchmark>/<model>` → pass@1; `<benchmark>/kept/<model>`, with `kept_low` and `kept_high`, of what base
            solved; `models_missing`; and the price of a pair, `calls_per_pair` and `cost_usd_per_pair`, where there are
            pairs.
        """
        numbers: dict[str, float] = {"models_missing": len(self.missing), **self.per_pair}
        for model, benchmarks in self.models.items():
            for benchmark, score in benchmarks.items():
                numbers[f"{metric_name(benchmark)}/{model}"] = score.pass_at_1
            for benchmark, compared in self.comparisons.get(model, {}).get("base", {}).items():
                if kept := compared.kept:
                    named = {"kept": kept.share, "kept_low": kept.ci95[0], "kept_high": kept.ci95[1]}
                    numbers |= {f"{metric_name(benchmark)}/{name}/{model}": value for name, value in named.items()}
        return numbers


def write_summary(summary: Summary, path: Path) -> None:
    """Write the summary, its keys sorted."""
    write_text(path, json.dumps(summary.to_json(), indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def read_summary(path: Path) -> Summary:
    """Read a summary that was written before.

    Raises:
        InputError: the file is absent, broken or not whole.
    """
    text = read_text(path, "run `dvc repro report` first")
    try:
        return Summary.model_validate_json(text)
    except ValidationError:
        raise InputError(
            f"{path}: written by another version of the report; `dvc repro --force --single-item report` rebuilds it"
        ) from None
