"""Score table of every model on every benchmark: the layout of the paper's table 1, published rows beside our own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from iterpref_core.report.findings import effect_sign
from iterpref_core.report.labels import (
    BENCHMARKS,
    CHOOSING_BENCHMARK,
    COLUMNS,
    DIFFICULTIES,
    FOCAL,
    MAIN_BENCHMARK,
    MODELS,
    benchmark_name,
    in_order,
    model_name,
)
from iterpref_core.report.number_formats import interval, p_equation, points, share
from iterpref_core.report.summary import Summary, measured_benchmarks


@dataclass(frozen=True)
class Cell:
    """A score in percent, and under it what is known of it: lines of pieces that may stand below each other.

    `effect` is 1 or -1 where p says better or worse.
    """

    score: str
    notes: tuple[tuple[str, ...], ...] = ()
    effect: int = 0

    @property
    def empty(self) -> bool:
        """Whether there is no score: n/a, or a dash."""
        return not self.score[0].isdigit()


@dataclass(frozen=True)
class TableRow:
    """A method's scores. `source` is of published ones; `style` is `truth`, `focal`, `published` or nothing."""

    name: str
    style: str
    cells: tuple[Cell, ...]
    source: str = ""


@dataclass(frozen=True)
class Group:
    """The rows of one model."""

    name: str
    rows: tuple[TableRow, ...]


@dataclass(frozen=True)
class ScoreTable:
    """`columns` are groups of benchmarks, each with the names of its columns."""

    columns: tuple[tuple[str, tuple[str, ...]], ...]
    groups: tuple[Group, ...]

    @property
    def published(self) -> bool:
        """Whether some of the rows are published ones."""
        return any(row.style == "published" for group in self.groups for row in group.rows)

    @property
    def gaps(self) -> set[str]:
        """What stands in cells without a score."""
        return {cell.score for group in self.groups for row in group.rows for cell in row.cells if cell.empty}

    @property
    def width(self) -> int:
        """Columns, that of the methods' names included."""
        return 1 + sum(len(names) for _, names in self.columns)


def score_table(summary: Summary) -> ScoreTable | None:
    """Lay the table out; None where there is nothing but held-out problems, which have a table of their own.

    It has a column for every benchmark that some model was measured on. Published scores of the student stand beside
    ours, method by method; `published_table` has those of other models.
    """
    shown = measured_benchmarks(summary)
    if not shown - {MAIN_BENCHMARK}:
        return None
    keys, columns = _columns(shown)
    student = summary["provenance"]["params"]["model"]["student"]
    published = _published_rows(summary, keys).get(_base(student), [])
    rows = _sorted([*_own_rows(summary, keys), *published])
    return ScoreTable(columns, (Group(model_title(student), rows),) if rows else ())


def published_table(summary: Summary) -> ScoreTable | None:
    """Published scores of other models, on the benchmarks that were measured here; None where there are none."""
    student = _base(summary["provenance"]["params"]["model"]["student"])
    others = [row for row in _published(summary) if _base(row["model"]) != student]
    if not others:
        return None
    keys, columns = _columns({row["benchmark"] for row in others})
    titles = {_base(row["model"]): row["model"] for row in reversed(others)}
    rows = {model: of_model for model, of_model in _published_rows(summary, keys).items() if model in titles}
    return ScoreTable(columns, tuple(Group(titles[model], _sorted(of_model)) for model, of_model in rows.items()))


def model_title(student: str) -> str:
    """The student for readers: `model.student`, explained where it is the embedded one."""
    return "nanolab, the embedded model" if student == "nanolab" else student


def absent_benchmarks(summary: Summary) -> list[str]:
    """Names of the benchmarks that nobody asked for here."""
    shown = (*_asked_for(summary), CHOOSING_BENCHMARK)
    return [benchmark_name(name) for name in BENCHMARKS if name not in shown]


def difficulty_table(summary: Summary) -> tuple[list[str], list[tuple[str, list[Cell]]]] | None:
    """LiveCodeBench by difficulty, the paper's table 10: headings and rows; None where it was not measured."""
    scores = {
        model: found["livecodebench"]["by_difficulty"]
        for model, found in summary["models"].items()
        if found.get("livecodebench", {}).get("by_difficulty")
    }
    if not scores:
        return None
    names = in_order({name for groups in scores.values() for name in groups}, DIFFICULTIES)
    sizes = {name: max(groups[name]["n"] for groups in scores.values() if name in groups) for name in names}
    rows = []
    for model in in_order(set(scores), MODELS):
        compared = summary["comparisons"].get(model, {}).get("base", {}).get("livecodebench", {})
        against = compared.get("by_difficulty", {})
        rows.append((model_name(model), [_cell(scores[model].get(name), against.get(name)) for name in names]))
    return [f"{name}, {sizes[name]} tasks" for name in names], rows


def _asked_for(summary: Summary) -> set[str]:
    found = [*summary["models"].values(), *summary["unavailable"].values()]
    return {name for of_model in found for name in of_model}


def _columns(shown: set[str]) -> tuple[list[str], tuple[tuple[str, tuple[str, ...]], ...]]:
    """These benchmarks in the order of the columns, and the groups with their headings."""
    groups = {title: [key for key in keys if key in shown] for title, keys in COLUMNS.items()}
    return [key for group in groups.values() for key in group], tuple(
        (title, tuple(COLUMNS[title][key] for key in group)) for title, group in groups.items() if group
    )


def _published(summary: Summary) -> list[Mapping[str, Any]]:
    """Published scores on the benchmarks that some model was measured on here."""
    measured = measured_benchmarks(summary)
    return [row for row in summary["published"] if row["benchmark"] in measured]


def _published_rows(summary: Summary, keys: Sequence[str]) -> dict[str, list[tuple[str, TableRow]]]:
    """Model, by what its names have in common → (method, row) of what was published, in the file's order."""
    rows: dict[str, list[tuple[str, TableRow]]] = {}
    for (model, method, source), scores in _by_method(_published(summary)).items():
        cells = tuple(Cell(share(scores[key])) if key in scores else Cell("–") for key in keys)
        rows.setdefault(_base(model), []).append((_method(method), TableRow(method, "published", cells, source)))
    return rows


def _own_rows(summary: Summary, keys: Sequence[str]) -> list[tuple[str, TableRow]]:
    """(method, row) of what this experiment measured, the ground truth first."""
    rows = []
    truth = summary["ground_truth"]
    if truth.keys() & set(keys):
        cells = tuple(_truth(truth.get(key)) for key in keys)
        rows.append(("", TableRow("ground truth", "truth", cells)))
    for model in in_order(set(summary["models"]), MODELS):
        style = "focal" if model in FOCAL else ""
        rows.append((model, TableRow(model_name(model), style, tuple(_own_cell(summary, model, key) for key in keys))))
    return rows


def _own_cell(summary: Summary, model: str, benchmark: str) -> Cell:
    if benchmark in summary["unavailable"].get(model, {}):
        return Cell("n/a")
    compared = summary["comparisons"].get(model, {}).get("base", {}).get(benchmark)
    return _cell(summary["models"][model].get(benchmark), compared)


def _cell(scores: Mapping[str, Any] | None, compared: Mapping[str, Any] | None) -> Cell:
    if scores is None:
        return Cell("–")
    notes: list[tuple[str, ...]] = [(f"{share(scores['ci95'][0])}–{share(scores['ci95'][1])}",)]
    if "pass_at_5" in scores:
        notes.append((f"pass@5 {share(scores['pass_at_5'])}",))
    if not compared:
        return Cell(share(scores["pass_at_1"]), tuple(notes))
    ends = f"{interval(compared['ci95'])},"
    notes.append((points(compared["difference"]), ends, p_equation(compared["p_value"])))
    return Cell(share(scores["pass_at_1"]), tuple(notes), effect_sign(compared))


def _truth(truth: Mapping[str, Any] | None) -> Cell:
    if truth is None:
        return Cell("–")
    return Cell(share(truth["passed"] / truth["n"]), ((f"{truth['passed']}/{truth['n']}",),))


def _by_method(published: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str, str], dict[str, float]]:
    """(model, method, source) → benchmark → score, in the file's order."""
    found: dict[tuple[str, str, str], dict[str, float]] = {}
    for row in published:
        found.setdefault((row["model"], row["method"], row["source"]), {})[row["benchmark"]] = row["pass_at_1"]
    return found


def _base(model: str) -> str:
    """What two names of one model have in common: without owner or folder, whatever the case."""
    return model.rstrip("/").rpartition("/")[2].lower()


def _method(name: str) -> str:
    """A published method under our name for it; any other as it is."""
    lowered = name.lower()
    return next((key for key, label in MODELS.items() if lowered in (key, label.lower())), name)


def _sorted(rows: Sequence[tuple[str, TableRow]]) -> tuple[TableRow, ...]:
    """Ground truth, known methods in the known order, then the others; of one method ours first."""
    places = {"": -1, **{method: place for place, method in enumerate(MODELS)}}
    return tuple(row for _, row in sorted(rows, key=lambda item: places.get(item[0], len(MODELS))))
