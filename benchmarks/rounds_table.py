"""Make the table and the picture of rounds: `python -m benchmarks.rounds_table docs/study/rounds.jsonl`.

The picture is drawn next to the cells. Intervals are over problems and seeds, of the seeds of both sides.
"""

import json
import sys
from collections import defaultdict
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from benchmarks.rounds import STARTS, solved_in
from iterpref_core.evaluation.report.number_formats import interval, points, share
from iterpref_core.evaluation.statistics.paired_tests import kept_of
from iterpref_core.evaluation.statistics.seed_comparison import compare_scores

Seeds = Mapping[int, np.ndarray]
"""Seed → what is solved of the held-out problems."""


def steps_of(way: str) -> int:
    """Return the optimizer steps of a way, in all.

    >>> steps_of("first:50:0.0002+fresh:100:0.0005"), steps_of("")
    (150, 0)
    """
    return sum(int(training.split(":")[1]) for training in way.split("+") if training)


def is_control(way: str, fresh: str) -> bool:
    """Return True if a way has the steps of another one, which has fresh drafts, and has none."""
    return "fresh" in fresh and "fresh" not in way and steps_of(way) == steps_of(fresh)


def gain(ours: Seeds, theirs: Seeds) -> str:
    """Return the difference of mean pass@1 in points, over the seeds of both, with its 95% interval."""
    both = sorted(ours.keys() & theirs.keys())
    sides = [np.array([side[seed] for seed in both]) for side in (ours, theirs)]
    found = compare_scores(*sides)
    return f"{points(found.difference)} {interval(found.ci95)}" if found else ""


def tables(cells: list[dict[str, Any]], picture: Path) -> str:
    """Return the table of the held-out cells, and draw the picture."""
    found = defaultdict[tuple[str, str, bool], dict[str, dict[int, np.ndarray]]](lambda: defaultdict(dict))
    tokens = {}
    for cell in cells:
        if cell["benchmark"] == "heldout":
            setting, way = (cell["start"], cell["method"], cell["replay"]), cell["way"]
            found[setting][way][cell["seed"]] = solved_in(cell)
            tokens[setting, way] = cell["tokens"]
    rows = ["| start | training | way | seeds | pass@1 | kept | tokens | fresh minus first |", "|" + "---|" * 8]
    for (start, method, replay), ways in found.items():
        ((_, before),) = found[start, "sft", False][""].items()
        for way, seeds in ways.items():
            mean = np.mean(list(seeds.values()), axis=0)
            kept = kept_of(mean, before)
            controls = [known for other, known in ways.items() if is_control(other, way) and known.keys() & seeds]
            gains = [gain(seeds, known) for known in controls]
            scores = [share(mean.mean()), kept and share(kept.share), tokens[(start, method, replay), way]]
            texts = [start, method + " replay" * replay, way, len(seeds), *scores, *gains]
            rows.append(f"| {' | '.join(map(str, texts))} |")
    draw({start: found[start, "sft", False] for start in STARTS}, picture)
    return "\n".join(rows)


def lines_of(ways: Collection[str]) -> dict[str, list[str]]:
    """Return the lines of a panel by label: the ways whose scores a line connects.

    >>> ways = ["", "first:50:1", "first:100:1", "first:50:1+fresh:50:1", "first:100:1+first:50:1"]
    >>> list(lines_of(ways).values())[:2]
    [['', 'first:50:1', 'first:100:1'], ['', 'first:50:1', 'first:50:1+fresh:50:1']]
    >>> list(lines_of(ways).values())[2:]
    [['first:100:1', 'first:100:1+first:50:1'], ['first:100:1']]
    """
    # Rounds are the way with the most trainings on fresh drafts.
    trainings = max(ways, key=lambda way: way.count("fresh")).split("+")
    rounds = ["+".join(trainings[:number]) for number in range(len(trainings) + 1)]
    single = sorted((way for way in ways if "+" not in way), key=steps_of)
    # One training of as many steps has the rate that rounds are compared at.
    (control,) = [way for way in single if way and steps_of(way) == steps_of(rounds[-1])]
    rate = control.split(":")[-1]
    one_round = [way for way in single if not way or way.endswith(rate)]
    longest = one_round[-1]
    # "first" sorts before "fresh".
    further = sorted(way for way in ways if way.startswith(f"{longest}+"))
    return {
        "one round": one_round,
        "rounds on fresh drafts": [way for way in rounds if way in ways],
        "then more steps on the first pairs": [longest, *further[:1]],
        "then a round on fresh drafts": [longest, *further[1:]],
    }


def draw(found: Mapping[str, Mapping[str, Seeds]], picture: Path) -> None:
    """Draw pass@1 of SFT without replay by steps, a panel for each start and a line for each way."""
    plt.rcParams.update({"svg.hashsalt": "rounds", "svg.fonttype": "none"})
    figure, panels = plt.subplots(1, len(found), sharey=True, figsize=(9, 3.4), layout="constrained")
    for panel, (start, ways) in zip(panels, found.items(), strict=True):
        for (label, line), style in zip(lines_of(ways).items(), ("o-", "s-", "o:", "s:"), strict=True):
            shares = [100 * np.mean(list(ways[way].values())) for way in line]
            panel.plot(list(map(steps_of, line)), shares, style, label=label, markersize=4)
        panel.set(title=start, xlabel="optimizer steps")
    panels[0].set(ylabel="pass@1, %")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    figure.savefig(picture, metadata={"Date": None})


if __name__ == "__main__":
    file = Path(sys.argv[1])
    print(tables(list(map(json.loads, file.read_text().splitlines())), file.with_suffix(".svg")))
