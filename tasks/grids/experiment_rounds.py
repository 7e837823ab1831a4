"""Rounds: the trained model drafts again, its new failures become pairs, and training goes on from it.

Each round of an objective is the experiment itself, with the model of the round before as its student, and so as its
reference; it becomes a DVC experiment of the workspace. Objectives do not meet: each has its own chain of rounds.
"""

import hashlib
import json
import logging
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import dvc.api
import yaml

from iterpref_core.config import Benchmark, load_params
from iterpref_core.inference.local.checkpoints import EMBEDDED
from iterpref_core.objectives.objectives import ObjectiveName
from iterpref_core.records import Record
from iterpref_core.storage.make_once import make_once
from tasks.common.paths import DEBUGGER, LOCK, PARAMS, RESULTS, STATE, metrics_path, model_path
from tasks.grids.dvc_experiments import Experiments
from tasks.grids.experiment_copy import experiment_copy
from tasks.orchestration.experiment_run import Naming
from tasks.orchestration.prefect_artifacts import show_table
from tasks.orchestration.profiles import write_values
from tasks.orchestration.run_options import UNCHANGED

log = logging.getLogger("iterpref.run")

TAG = "iterpref.rounds"
"""Of the runs in MLflow: which rounds they belong to."""
BASE = "base"
KEPT = STATE / "rounds"
"""Models that rounds start from, outside of what DVC deletes before a stage runs."""


class Round(NamedTuple):
    """One round of an objective, from 1."""

    objective: ObjectiveName
    number: int

    def __str__(self) -> str:
        """As it is shown before the names of its stages."""
        return f"{self.objective} round {self.number}"


class RoundResult(Record):
    """What a round did.

    Attributes:
        experiment: the DVC experiment.
        objective: that was trained.
        number: of the round, from 1.
        drafts_passed: share of problems that the round's start solved at once.
        calls: of the debugger.
        pairs: that the round trained on.
        before: benchmark → pass@1 of the round's start.
        after: the same of the trained model.
    """

    experiment: str
    objective: str
    number: int
    drafts_passed: float
    calls: int
    pairs: int
    before: dict[str, float]
    after: dict[str, float]


def show_rounds(rounds: Sequence[RoundResult]) -> None:
    """A table artifact: a row a round, in percent."""
    show_table([describe_round(one) for one in rounds], "rounds", "rounds of each objective")


def describe_round(one: RoundResult) -> dict[str, str | int]:
    """A row of the table of rounds."""
    row: dict[str, str | int] = {"objective": one.objective, "round": one.number, "pairs": one.pairs}
    row |= {"debugger's calls": one.calls, "drafts that pass": f"{one.drafts_passed:.1%}"}
    for name, score in one.after.items():
        gain = score - one.before[name]
        row |= {name: f"{score:.1%}", f"{name}, gain": f"{100 * gain:+.1f}"}
        row[f"{name}, points a 100 calls"] = f"{1e4 * gain / one.calls:+.2f}" if one.calls else "–"
    return row


@contextmanager
def opened_rounds(
    objectives: Sequence[ObjectiveName], count: int, benchmarks: Sequence[Benchmark], profile: str = UNCHANGED
) -> Iterator["Rounds"]:
    """Make a copy of the present folder, in which rounds happen, the present one.

    Args:
        objectives: each with a chain of rounds of its own.
        count: of rounds of each.
        benchmarks: to evaluate on.
        profile: whose values replace those of params.yaml.

    Raises:
        InputError: another process does rounds here; the folder has no commit, or its params.yaml asks for several
            samples.
    """
    with experiment_copy("rounds", objectives, benchmarks, profile) as (experiments, chosen):
        yield Rounds(experiments, chosen, count)


class Rounds:
    """The rounds of some objectives, and what is known of each."""

    def __init__(self, experiments: Experiments, objectives: Sequence[ObjectiveName], count: int) -> None:
        self._experiments, self._params = experiments, load_params()
        values = self._params.model_dump(mode="json")
        self.name = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:6]
        self.rounds = [Round(objective, number) for objective in objectives for number in range(1, count + 1)]
        self.results: list[RoundResult] = []
        self._models: dict[Round, Path] = {}
        self._debugger = Path()

    def naming(self, one: Round) -> Naming:
        """By what a round's run is known."""
        return Naming(f"{one}: ", self._experiment(one), {TAG: self.name}, True)

    def targets(self, one: Round) -> list[str]:
        """The stages of a round."""
        return [f"evaluation@{name}" for name in (BASE, one.objective)]

    def begin(self, one: Round) -> None:
        """Set the round's values here: its student is what the round before has trained, and it drafts anew."""
        first = self._params
        values = {"model.student": first.model.student, "model.debugger": first.model.debugger}
        if one.number > 1:
            values["model.student"] = str(self._models[Round(one.objective, one.number - 1)])
            if first.model.debugger == EMBEDDED:  # which would be trained again beside another student
                values["model.debugger"] = str(self._debugger)
        write_values(values | {"codeflow.seed": first.codeflow.seed + one.number - 1}, PARAMS)

    def recall(self, one: Round) -> bool:
        """Whether the round's experiment is there, made from just these files, and its model; its scores are known."""
        commit = self._experiments.find(self._experiment(one))
        try:
            if commit is None or not self._find_models(one, commit):
                return False
            self._note(one, commit)
        except FileNotFoundError:  # no longer in DVC's cache
            return False
        return True

    def save(self, one: Round) -> None:
        """Make an experiment of what the round's stages have written, and keep its model for the next one.

        Raises:
            StageError: the workspace's repository does not take it.
        """
        self._find_models(one, None)
        for model, kept in ((model_path(one.objective), self._models[one]), (DEBUGGER, self._debugger)):
            make_once(kept, partial(shutil.copytree, model))
        self._experiments.save(self._experiment(one), f"{self._experiment(one)}: {one}")
        self._note(one, None)

    def _find_models(self, one: Round, commit: str | None) -> bool:
        """Whether the models that the next round needs are kept: each under the digest that DVC has of it."""
        stages = yaml.safe_load(self._text(LOCK, commit))["stages"]
        outs = {out["path"]: out["md5"] for stage in stages.values() for out in stage.get("outs", ())}
        self._models[one] = KEPT.resolve() / outs[str(model_path(one.objective))]
        if one.number == 1:
            self._debugger = KEPT.resolve() / outs[str(DEBUGGER)]
        return self._models[one].is_dir() and self._debugger.is_dir()

    def _experiment(self, one: Round) -> str:
        return f"rounds-{self.name}-{one.objective}-{one.number}"

    def _note(self, one: Round, commit: str | None) -> None:
        codeflow, pairs = (self._read(metrics_path(stage), commit) for stage in ("codeflow", "pairs"))
        before, after = (self._scores(model, commit) for model in (BASE, one.objective))
        found = RoundResult(
            experiment=self._experiment(one), objective=one.objective, number=one.number,
            drafts_passed=codeflow["pass_rate/0"], calls=int(codeflow["llm_calls"] - codeflow["problems"]),
            pairs=int(pairs["pairs"]), before=before, after=after,
        )  # fmt: skip
        self.results.append(found)
        log.info("%s: %s", one, describe_round(found))

    def _scores(self, model: str, commit: str | None) -> dict[str, float]:
        entries = self._read(RESULTS / model / "results.json", commit)["benchmarks"]
        return {name: entry["pass_at_1"] for name, entry in entries.items() if entry["available"]}

    def _read(self, path: Path, commit: str | None) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._text(path, commit))
        return found

    def _text(self, path: Path, commit: str | None) -> str:
        """A file of an experiment; of None, what is here now.

        Raises:
            FileNotFoundError: it is not there.
        """
        return dvc.api.read(str(path), rev=commit) if commit else path.read_text(encoding="utf-8")
