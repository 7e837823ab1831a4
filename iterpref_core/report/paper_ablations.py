"""The paper's ablations beside ours: for the rows of a grid, its scores averaged over its benchmarks."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean

from iterpref_core.errors import InputError
from iterpref_core.records import Record
from iterpref_core.report.labels import benchmark_name
from iterpref_core.report.supplied_results import PAPER_ABLATIONS, load_paper_ablations


class PaperFigure(Record):
    """What the paper reports of a row.

    Attributes:
        model: that the paper trained.
        method: the paper's name of the row.
        source: where the figures stand.
        scores: benchmark → pass@1, a share of 1; the same benchmarks in all rows of a grid.
        pass_at_1: their mean.
        difference: mean less that of the grid's first row, a share of 1; None for that row itself, and where the paper
            has no such row.
    """

    model: str
    method: str
    source: str
    scores: dict[str, float]
    pass_at_1: float
    difference: float | None


def paper_figures(folder: Path, grid: str, labels: Sequence[str]) -> dict[str, PaperFigure]:
    """Label → what the paper reports of that row; without the rows that the folder has nothing of.

    Args:
        folder: `report_data`.
        grid: its name in ablations.yaml.
        labels: of the grid's rows; the others are compared to the first.

    Raises:
        InputError: the file is broken, or rows of the grid are of different benchmarks, so that means do not compare.
    """
    lines = [line for line in load_paper_ablations(folder) if line.grid == grid and line.label in labels]
    scores: dict[str, dict[str, float]] = {}
    for line in lines:
        scores.setdefault(line.label, {})[line.benchmark] = line.pass_at_1
    for label, own in scores.items():
        if own.keys() != scores[lines[0].label].keys():
            raise InputError(
                f"{folder / PAPER_ABLATIONS}: {grid}: {label} and {lines[0].label} have different benchmarks; "
                "a grid's rows need the same ones"
            )
    means = {label: mean(own.values()) for label, own in scores.items()}
    return {
        line.label: PaperFigure(
            model=line.model,
            method=line.method,
            source=line.source,
            scores=scores[line.label],
            pass_at_1=means[line.label],
            difference=means[line.label] - means[labels[0]] if labels[0] in means.keys() - {line.label} else None,
        )
        for line in lines
    }


def describe_figures(figures: Mapping[str, PaperFigure], ours: str) -> str:
    """Say what is compared, in lines for under a table.

    Args:
        figures: of `paper_figures`, at least one.
        ours: our model and problems.
    """
    benchmarks = ", ".join(benchmark_name(name) for name in next(iter(figures.values())).scores)
    rows = [f"  {label}: {of.model}, {of.method} ({of.source})" for label, of in figures.items()]
    compared = (
        f"Ours: {ours}. The paper: mean pass@1 of {benchmarks}. Models and problems differ: compare signs and order, "
        "not sizes. The paper's rows:"
    )
    return "\n".join((compared, *rows))
