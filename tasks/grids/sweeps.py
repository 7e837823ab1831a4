"""Sweep: objectives x beta x seeds, each point of beta x seed a DVC experiment.

It happens in one copy of the workspace, whose params.yaml goes from point to point, so that a large model is checked
out once. DVC's cache has what earlier points, sweeps and runs have computed.
"""

import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from typing import NamedTuple

import dvc.api

from iterpref_core.config import Benchmark, load_params
from iterpref_core.errors import IterPrefError
from iterpref_core.objectives.objectives import ObjectiveName
from iterpref_core.records import Record
from iterpref_core.report.number_formats import interval, p_value, points, share
from tasks.common.paths import PARAMS, RESULTS
from tasks.grids.comparison import ComparisonRow, TrialScore, compare_rows
from tasks.grids.dvc_experiments import Experiments
from tasks.grids.experiment_copy import experiment_copy
from tasks.orchestration.experiment_run import Naming
from tasks.orchestration.prefect_artifacts import show_table
from tasks.orchestration.profiles import write_values
from tasks.orchestration.reproduce import StageError
from tasks.recording.dvc_graph import load_graph, select_stages, stale_stages

log = logging.getLogger("iterpref.run")

BASE = "base"
"""What every row is compared to: the model that training starts from."""
TAG = "iterpref.sweep"
"""Of the runs in MLflow: which sweep they belong to."""

Scores = dict[str, dict[str, TrialScore]]
"""Model → benchmark → score."""


class Point(NamedTuple):
    """One experiment of a sweep."""

    beta: float
    seed: int

    def __str__(self) -> str:
        """As it is shown before the names of its stages."""
        return f"beta {self.beta} seed {self.seed}"


class PointResult(Record):
    """What one experiment of a sweep scored: objective → benchmark → pass@1."""

    experiment: str
    beta: float
    seed: int
    pass_at_1: dict[str, dict[str, float]]


class SweepResult(Record):
    """What a sweep showed.

    Attributes:
        sweep: its digest, which its experiments' names and its runs' tags in MLflow have.
        points: each experiment.
        rows: benchmark → the base model, then a row for each objective and beta, compared to it.
    """

    sweep: str
    points: list[PointResult]
    rows: dict[str, list[ComparisonRow]]


def show_sweep(result: SweepResult) -> None:
    """Two table artifacts: a row for each objective and beta, and one for each experiment; in percent."""
    rows = [
        {"benchmark": benchmark, "row": row.label, "pass@1": share(row.pass_at_1), "seeds": len(row.scores)}
        | {"std": "" if row.spread is None else share(row.spread)}
        | {"against base": "" if row.difference is None else points(row.difference)}
        | {"95%": interval(row.ci95) if row.ci95 else "", "p": "" if row.p_value is None else p_value(row.p_value)}
        for benchmark, found in result.rows.items()
        for row in found
    ]
    show_table(rows, "sweep", f"sweep {result.sweep}, means over seeds")
    single = [
        {"experiment": point.experiment, "beta": point.beta, "seed": point.seed}
        | {
            f"{objective} {name}": share(value)
            for objective, of in point.pass_at_1.items()
            for name, value in of.items()
        }
        for point in result.points
    ]
    show_table(single, "sweep-points", f"sweep {result.sweep}, experiments")


@contextmanager
def opened_sweep(
    objectives: Sequence[ObjectiveName],
    betas: Sequence[float],
    seeds: Sequence[int],
    benchmarks: Sequence[Benchmark],
) -> Iterator["Sweep"]:
    """Make a copy of the present folder, in which a sweep happens, the present one.

    Args:
        objectives: to train; none for those of dvc.yaml.
        betas: none for that of params.yaml.
        seeds: of training; none for that of params.yaml.
        benchmarks: to evaluate on.

    Raises:
        InputError: another process sweeps here; the folder has no commit, or its params.yaml asks for several samples.
    """
    with experiment_copy("sweep", objectives, benchmarks) as (experiments, chosen):
        yield Sweep(experiments, chosen, betas, seeds)


class Sweep:
    """The points of a sweep, what is known of each, and what they show together."""

    def __init__(
        self,
        experiments: Experiments,
        objectives: Sequence[ObjectiveName],
        betas: Sequence[float],
        seeds: Sequence[int],
    ) -> None:
        self._experiments = experiments
        self._params = params = load_params()
        self.objectives = objectives
        self.points = [
            Point(beta, seed)
            for beta, seed in product(
                dict.fromkeys(betas or (params.training.beta,)), dict.fromkeys(seeds or (params.training.seed,))
            )
        ]
        self.name = self._digest()
        self.targets = [f"evaluation@{name}" for name in (BASE, *self.objectives)]
        stages = select_stages(load_graph(), tuple(self.targets))
        own = {f"{stage}@{name}" for stage in ("training", "evaluation") for name in self.objectives}
        self.shared = [stage for stage in stages if stage not in own]
        self._scores: dict[Point, Scores] = {}
        self._failed: dict[Point, IterPrefError] = {}

    def shared_is_stale(self) -> bool:
        """Whether something has to run on which all points depend."""
        return not stale_stages().isdisjoint(self.shared)

    def naming(self, point: Point | None = None) -> Naming:
        """By what a point's run is known; without one, the run of what all share."""
        tags = {TAG: self.name}
        return (
            Naming(f"{point}: ", self._experiment(point), tags, True)
            if point
            else Naming("", f"sweep-{self.name}", tags)
        )

    @contextmanager
    def attempted(self, point: Point) -> Iterator[None]:
        """Set the point's values here; where it fails, the others still have their turn."""
        log.info("%s", self._experiment(point))
        try:
            write_values({"training.beta": point.beta, "training.seed": point.seed}, PARAMS)
            yield
        except IterPrefError as error:
            self._failed[point] = error
            log.error("%s: failed: %s", point, error)

    def recall(self, point: Point) -> bool:
        """Whether the point's experiment is there, made from just these files; its scores are then known."""
        commit = self._experiments.find(self._experiment(point))
        if commit is None:
            return False
        try:
            scores = {objective: self._read(objective, commit) for objective in self.objectives}
        except FileNotFoundError:  # no longer in DVC's cache
            return False
        self._note(point, scores, "unchanged")
        return True

    def save(self, point: Point) -> None:
        """Make an experiment of what the point's stages have written.

        Raises:
            StageError: the workspace's repository does not take it.
        """
        name = self._experiment(point)
        self._experiments.save(name, f"{name}: {', '.join(self.objectives)} at {point}")
        self._note(point, {objective: self._read(objective) for objective in self.objectives}, "done")

    def result(self) -> SweepResult:
        """All finished points, and the rows of their table."""
        base = self._read(BASE) if self._scores else {}
        knobs = {"resamples": self._params.evaluation.bootstrap, "seed": self._params.evaluation.seed}
        rows = {
            benchmark: compare_rows({BASE: [score]} | self._by_row(benchmark), against=BASE, **knobs)
            for benchmark, score in base.items()
        }
        points = [
            PointResult(
                experiment=self._experiment(point),
                beta=point.beta,
                seed=point.seed,
                pass_at_1={
                    objective: {benchmark: score.pass_at_1 for benchmark, score in found.items()}
                    for objective, found in scores.items()
                },
            )
            for point, scores in self._scores.items()
        ]
        return SweepResult(sweep=self.name, points=points, rows=rows)

    def check(self) -> None:
        """Say at the end what failed.

        Raises:
            StageError: a point failed.
        """
        if self._failed:
            reasons = "; ".join(f"{self._experiment(point)}: {error}" for point, error in self._failed.items())
            raise StageError(f"{len(self._failed)} of {len(self.points)} points failed: {reasons}")

    def _digest(self) -> str:
        """Of everything but the point: another grid is the same sweep."""
        values = self._params.model_dump(mode="json")
        del values["training"]["beta"], values["training"]["seed"]
        text = json.dumps([values, self.objectives], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:6]

    def _experiment(self, point: Point) -> str:
        return f"sweep-{self.name}-beta-{point.beta}-seed-{point.seed}"

    def _read(self, model: str, commit: str | None = None) -> dict[str, TrialScore]:
        """Benchmark → score of a model that was evaluated; those whose data is not to be had are left out.

        Args:
            model: its name.
            commit: of an experiment; None for what is here now.

        Raises:
            FileNotFoundError: the results are not there.
        """
        path = RESULTS / model / "results.json"
        text = dvc.api.read(str(path), rev=commit) if commit else path.read_text(encoding="utf-8")
        found = json.loads(text)["benchmarks"]
        return {
            name: TrialScore(pass_at_1=entry["pass_at_1"], n=entry["n"], passed=tuple(entry["passed"]))
            for name, entry in found.items()
            if entry["available"]
        }

    def _note(self, point: Point, scores: Scores, how: str) -> None:
        self._scores[point] = scores
        told = [
            f"{objective} {score.pass_at_1:.1%} of {name}"
            for objective, found in scores.items()
            for name, score in found.items()
        ]
        log.info("%s: %s: %s", point, how, ", ".join(told))

    def _by_row(self, benchmark: str) -> dict[str, list[TrialScore]]:
        """A row for each objective and beta, with the scores of all its seeds."""
        rows: dict[str, list[TrialScore]] = {}
        for objective in self.objectives:
            for point in self.points:
                if point in self._scores and benchmark in self._scores[point][objective]:
                    label = f"{objective}, beta {point.beta}"
                    rows.setdefault(label, []).append(self._scores[point][objective][benchmark])
        return rows
