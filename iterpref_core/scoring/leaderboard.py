"""Leaderboard: several models on the same benchmarks, each compared with the first one on the same tasks."""

import csv
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iterpref_core.benchmarks.benchmark import EvaluationSetting
from iterpref_core.errors import BudgetError, EndpointError, InputError, IterPrefError, UnansweredError
from iterpref_core.evaluation.evaluation import evaluate_model
from iterpref_core.evaluation.results_file import RESULTS
from iterpref_core.report.comparisons import compare_results
from iterpref_core.report.labels import benchmark_name
from iterpref_core.report.number_formats import interval, p_value, points, readable, share
from iterpref_core.report.score_rows import Difference
from iterpref_core.report.stage_outputs import load_model_results
from iterpref_core.results import Measured, ModelResults
from iterpref_core.scoring.entrants import Entrant, find_entrants
from iterpref_core.scoring.existing_samples import score_samples
from iterpref_core.storage.jsonl import atomic_writer

logger = logging.getLogger(__name__)

HEADINGS = ("benchmark", "model", "tasks", "pass@1", "95% interval", "points against {}", "p", "tokens", "dollars")


@dataclass(frozen=True)
class Standing:
    """A model's score on a benchmark, in shares of 1.

    Attributes:
        benchmark: the benchmark's name.
        model: the entrant's name.
        result: the score, its interval, tokens and price.
        difference: the difference to the first model on the tasks that both were judged on; None for that model, and
            where it has no score.
        compared: the number of these tasks.
    """

    benchmark: str
    model: str
    result: Measured
    difference: Difference | None = None
    compared: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the standing for scripts and as a row of the CSV file; what is not known is None."""
        result = self.result
        difference = self.difference
        return {
            "benchmark": self.benchmark,
            "model": self.model,
            "n": result.n,
            "pass_at_1": result.pass_at_1,
            "ci95_low": result.ci95[0],
            "ci95_high": result.ci95[1],
            "difference": difference and difference.value,
            "difference_low": difference and difference.interval[0],
            "difference_high": difference and difference.interval[1],
            "p_value": difference and difference.p,
            "compared": self.compared,
            "tokens_per_answer": result.tokens and result.tokens.per_answer,
            "cost_usd": result.cost_usd,
        }

    def cells(self) -> tuple[str, ...]:
        """Return the standing as texts for people, below `HEADINGS`."""
        row = self.to_json()
        low, high = self.result.ci95
        difference = "–" if self.difference is None else f"{points(self.difference.value)} "
        if self.difference is not None:
            difference += interval(self.difference.interval)
        if self.compared is not None and self.compared < self.result.n:
            difference += f" on {self.compared:,}"
        tokens = row["tokens_per_answer"]
        cost = row["cost_usd"]
        return (
            benchmark_name(self.benchmark),
            self.model,
            f"{self.result.n:,}",
            share(self.result.pass_at_1),
            f"[{share(low)}, {share(high)}]",
            difference,
            "–" if self.difference is None else p_value(self.difference.p),
            "–" if tokens is None else readable(round(tokens)),
            "–" if cost is None else readable(cost),
        )


@dataclass(frozen=True)
class Leaderboard:
    """Standings, by benchmark in the order asked for, the best model first.

    Attributes:
        first: the model that the others are compared with.
        standings: a row for each model and benchmark.
        unmeasured: sentences on benchmarks that a model has no score on.
    """

    first: str
    standings: tuple[Standing, ...]
    unmeasured: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the leaderboard for scripts."""
        return {
            "first": self.first,
            "standings": [standing.to_json() for standing in self.standings],
            "unmeasured": list(self.unmeasured),
        }

    def markdown(self) -> str:
        """Return the table as Markdown, with columns that are straight in a terminal, too."""
        rows = [self.headings, *(standing.cells() for standing in self.standings)]
        escaped = [[cell.replace("|", "\\|") for cell in row] for row in rows]
        widths = [max(len(row[column]) for row in escaped) for column in range(len(HEADINGS))]
        lines = []
        for row in escaped:
            lines.append("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |")
        lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
        return "\n".join([*lines, "", *self.notes]) + "\n"

    @property
    def headings(self) -> tuple[str, ...]:
        """Return the headings of the columns."""
        return tuple(heading.format(self.first) for heading in HEADINGS)

    @property
    def notes(self) -> list[str]:
        """Return what a reader has to know of the numbers, a sentence a line."""
        return [
            "Scores are in percent. p-values are not corrected for the number of rows.",
            "The exact McNemar test on the same tasks decides what is better (several samples: a randomization test).",
            "Tokens are those of an answer, on average. Dollars are the price of all answers to the benchmark.",
            *self.unmeasured,
        ]


def make_leaderboard(
    places: Sequence[str],
    setting: EvaluationSetting,
    out: Path,
    answers: Path,
    *,
    extract: bool = False,
    partial: bool = False,
    fresh: bool = False,
) -> Leaderboard:
    """Measure models one after the other, and write the table whenever one more is measured.

    A killed call is continued by the same call: answers of models are kept. What goes wrong with one model is said at
    the end, when the others are measured.

    Args:
        places: the models, as `find_entrants` takes them; the others are compared with the first one.
        setting: benchmarks, sampling, limits, data and caches.
        out: folder for leaderboard.md, .csv and .html, and for the results of each model, `results/NAME/`.
        answers: SQLite file that keeps the models' answers.
        extract: samples are answers: their programs are found as in a model's answers.
        partial: samples may lack some tasks.
        fresh: ask again for answers that are kept.

    Raises:
        InputError: an entrant cannot be used.
        EndpointError: an endpoint could not be had.
        BudgetError: a cap is reached.
    """
    entrants = find_entrants(places, setting.params)
    first = entrants[0].name
    measured: dict[str, ModelResults] = {}
    failures: list[IterPrefError] = []
    for entrant in entrants:
        try:
            _measure(entrant, setting, out, answers, extract=extract, partial=partial, fresh=fresh)
        except (InputError, EndpointError, BudgetError) as error:
            logger.warning("%s: %s", entrant.name, error)
            failures.append(error)
        folder = _folder_of(entrant, out)
        if (folder / RESULTS).exists():
            measured[entrant.name] = load_model_results(folder)
            write_leaderboard(rank_models(first, measured, setting), out)
    if failures:
        raise type(failures[0])("; ".join(dict.fromkeys(map(str, failures))))
    return rank_models(first, measured, setting)


def _measure(
    entrant: Entrant,
    setting: EvaluationSetting,
    out: Path,
    answers: Path,
    *,
    extract: bool,
    partial: bool,
    fresh: bool,
) -> None:
    if entrant.kind == "results":
        return
    folder = _folder_of(entrant, out)
    # What an earlier call measured, perhaps with other settings, is no score of this one.
    (folder / RESULTS).unlink(missing_ok=True)
    if entrant.kind == "samples":
        # A file of samples may be of some of the benchmarks.
        with suppress(UnansweredError):
            score_samples(Path(entrant.place), setting, folder, extract=extract, partial=partial)
    else:
        evaluate_model(
            name=entrant.name,
            model=entrant.place,
            setting=setting,
            out=folder,
            answers=answers,
            prompt=setting.params.model.student_format,
            fresh=fresh,
        )


def _folder_of(entrant: Entrant, out: Path) -> Path:
    """Return the folder of an entrant's results.json."""
    if entrant.kind != "results":
        return out / "results" / entrant.folder
    place = Path(entrant.place)
    return place if place.is_dir() else place.parent


def rank_models(first: str, measured: Mapping[str, ModelResults], setting: EvaluationSetting) -> Leaderboard:
    """Compare models with the first one, on each benchmark of the setting.

    Args:
        first: the name of the model that the others are compared with; without results of it there are no differences.
        measured: name → results.
        setting: the benchmarks, and the bootstrap.

    Raises:
        InputError: two models were measured on different data.
    """
    evaluation = setting.params.evaluation
    standings: list[Standing] = []
    unmeasured: dict[tuple[str, str], list[str]] = {}
    for benchmark in evaluation.benchmarks:
        rows = []
        base = measured[first].measured.get(benchmark) if first in measured else None
        for name, results in measured.items():
            result = results.measured.get(benchmark)
            if result is None:
                reason = results.unavailable.get(benchmark, "it was not measured")
                unmeasured.setdefault((name, reason), []).append(benchmark_name(benchmark))
                continue
            if base is None or name == first:
                rows.append(Standing(benchmark, name, result))
                continue
            _check_same_data(benchmark, (first, base), (name, result))
            comparison = compare_results(result, base, (), evaluation.bootstrap, evaluation.seed)
            compared = comparison.n if comparison else 0
            rows.append(Standing(benchmark, name, result, Difference.of(comparison), compared))
        standings += sorted(rows, key=lambda row: -row.result.pass_at_1)
    notes = [f"{name} has no score on {', '.join(names)}: {reason}." for (name, reason), names in unmeasured.items()]
    return Leaderboard(first, tuple(standings), tuple(notes))


def _check_same_data(benchmark: str, base: tuple[str, Measured], other: tuple[str, Measured]) -> None:
    (first, ours), (name, theirs) = base, other
    if ours.data.sha256 != theirs.data.sha256:
        raise InputError(
            f"{benchmark}: {name} and {first} were measured on different data ({theirs.data.sha256[:12]}, "
            f"{ours.data.sha256[:12]}); evaluate both on the same file"
        )


def write_leaderboard(board: Leaderboard, out: Path) -> None:
    """Write leaderboard.md, leaderboard.csv and leaderboard.html into a folder."""
    # Jinja is for the page alone; who reads scores in a script needs none.
    from iterpref_core.scoring.leaderboard_page import render_page

    with atomic_writer(out / "leaderboard.md") as file:
        file.write(board.markdown())
    with atomic_writer(out / "leaderboard.csv") as file:
        rows = [standing.to_json() for standing in board.standings]
        table = csv.DictWriter(file, list(rows[0]) if rows else [], lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    with atomic_writer(out / "leaderboard.html") as file:
        file.write(render_page(board))


def benchmarks_of(names: Sequence[str], known: Sequence[str], problems: Path) -> tuple[str, ...]:
    """Return the benchmarks that names stand for; `all` is every one for reporting, the own ones if there are problems.

    >>> benchmarks_of(["mbpp"], ["heldout", "validation", "mbpp"], Path("absent"))
    ('mbpp',)
    >>> benchmarks_of(["all"], ["heldout", "validation", "mbpp"], Path("absent"))
    ('mbpp',)
    """
    return tuple(_each_benchmark(names, known, problems))


def _each_benchmark(names: Sequence[str], known: Sequence[str], problems: Path) -> Iterator[str]:
    if "all" not in names:
        yield from dict.fromkeys(names)
        return
    for name in known:
        # The validation split is for choosing: a score on it is none to report.
        if name == "validation" and name not in names:
            continue
        if name == "heldout" and not problems.exists():
            logger.warning("heldout: not measured, since %s is not there; --problems names another file", problems)
            continue
        yield name
