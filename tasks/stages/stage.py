"""Define a stage as one record. Its entry in dvc.yaml, its call and its rows in MLflow are made from it."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from iterpref_core.records import StageResult, read_yaml
from iterpref_core.storage.jsonl import write_text
from tasks.paths import METRICS, PARAMS

KEY, ITEM = "${key}", "${item}"
"""In paths they mean the item of a stage, such as an objective, and its place, as in dvc.yaml."""

Paths = Mapping[str, Path | tuple[Path, ...]]


class StageRecord(Protocol):
    """The record that a stage returns. Its numbers get the names that DVC and MLflow know here."""

    def metrics(self) -> dict[str, float]:
        """Return the numbers by the names of metrics."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stage of the experiment. Its page in `tasks.stages` is its only description outside of its room.

    DVC depends on the function that does the work, `work(params[, item], **paths)`, and on all code that it calls. It
    does not depend on the page: an edit there that only shows a result, or refuses a setting, reruns no stage.

    Attributes:
        name: of the stage, its section of params.yaml, and its row in MLflow.
        work: module and function, such as `iterpref_core.nanolab.embedded_models:build_models`.
        params: the sections and keys of params.yaml that it reads, or `*` for all; `-key` leaves one out.
        reads: argument of `work` → what DVC has it depend on.
        writes: argument of `work` → what DVC caches.
        untracked: argument of `work` → what DVC does not see, such as unfinished work.
        after: more of what it depends on, which it finds by itself.
        external: keys of `.iterpref/external.yaml` that it depends on.
        items: what it runs for, each in a stage of its own, such as `training@sft`.
        place: item → the path that `${item}` means, where that is not the item itself.
        named_by: a mapping of dvc.yaml, for a stage without items: the names in it are arguments of `work`.
        measured: where its numbers are written.
        compared: argument of `work` → a file of numbers that `dvc exp show` compares.
        plotted: argument of `work` → a table that DVC plots.
        plots: plots of dvc.yaml.
        card: whether it computes on a GPU, if the machine has one.
        every_card: a parameter; if it has a value, the stage runs in several processes, one on each GPU, that this file
            describes.
        result: the record that `work` returns, where several processes hand it over by its metrics.
        check: refuses settings before any stage runs: (params).
        check_item: the same of what it runs for: (params, item).
        prepare: is called before the work's module is loaded, with the item or the names.
        headline: (item, metric) → the metric's name in the row of a command, or None.
        pages: a folder that MLflow gets.
        scores_model: whether MLflow gets its metrics for the model that it reads, as well.
        join: adds a further objective to the stage's entry in dvc.yaml.
    """

    name: str
    work: str
    params: Sequence[str] = ()
    reads: Paths = field(default_factory=dict)
    writes: Paths = field(default_factory=dict)
    untracked: Paths = field(default_factory=dict)
    after: Sequence[Path] = ()
    external: Sequence[str] = ()
    items: Sequence[str] = ()
    place: Callable[[str], Path] | None = None
    named_by: str = ""
    measured: Path | None = None
    compared: Paths = field(default_factory=dict)
    plotted: Paths = field(default_factory=dict)
    plots: Sequence[Mapping[str, Any]] = ()
    card: bool = False
    every_card: str = ""
    result: type[StageResult] | None = None
    check: Callable[[Any], None] | None = None
    check_item: Callable[[Any, str], None] | None = None
    prepare: Callable[..., None] | None = None
    headline: Callable[[str, str], str | None] | None = None
    pages: Path | None = None
    scores_model: bool = False
    join: Callable[[dict[str, Any], str], None] | None = None

    def at(self, item: str) -> str:
        """Return DVC's name of the stage for an item.

        >>> Stage(name="training", work="").at("sft")
        'training@sft'
        """
        return f"{self.name}@{item}" if item else self.name

    def metrics_path(self, item: str = "") -> Path:
        """Return where the numbers of its result are written.

        >>> str(Stage(name="training", work="").metrics_path("target-rpo"))
        'metrics/training/target-rpo.json'
        """
        return self.measured or METRICS / f"{self.at(item).replace('@', '/')}.json"

    def arguments(self, words: Sequence[str]) -> tuple[str, ...]:
        """Return the item or the names that follow the stage's name on the command line.

        DVC writes a mapping as options, whose values the stage does not need.

        >>> Stage(name="training", work="", items=["sft"]).arguments(["sft"])
        ('sft',)
        >>> Stage(name="report", work="").arguments(["--base", "models/student", "--sft", "models/trained/sft"])
        ('base', 'sft')
        """
        if self.items:
            return tuple(words)
        return tuple(word.removeprefix("--") for word in words if word.startswith("--"))

    def run(self, params: Any, *arguments: str) -> StageRecord:
        """Do the work of the stage, on the paths of a checkout.

        Args:
            params: the parameters.
            arguments: the item; or the names that a stage without items is given.
        """
        item = arguments[0] if self.items else ""
        place = str(self.place(item)) if self.place else item

        def of_item(path: Path | tuple[Path, ...]) -> Any:
            if isinstance(path, tuple):
                return tuple(map(of_item, path))
            return Path(str(path).replace(KEY, item).replace(ITEM, place))

        paths = {**self.reads, **self.writes, **self.compared, **self.plotted, **self.untracked}
        found = {name: of_item(path) for name, path in paths.items()}
        module, _, function = self.work.partition(":")
        record: StageRecord = getattr(import_module(module), function)(params, *arguments, **found)
        return record

    def processes(self) -> str | None:
        """Return the file that describes the stage's processes; None for one. Invalid parameters are refused later."""
        section, _, key = self.every_card.partition(".")
        values = read_yaml(PARAMS).get(section) if section else None
        found: str | None = values.get(key) if isinstance(values, dict) else None
        return found


def write_metrics(path: Path, measured: StageRecord) -> None:
    """Write the numbers of a result; of several training processes only the main one calls this."""
    write_text(path, json.dumps(measured.metrics(), indent=2) + "\n")
