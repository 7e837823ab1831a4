"""Compare rounds on fresh drafts with one round of as many steps: `python -m benchmarks.rounds FOLDER`.

The section "Rounds against steps" of docs/study.md. A way is a list of trainings: where their pairs come from (the
drafts of the `first` model, or `fresh` ones of the model that goes on), optimizer steps, and the rate:

    first:50:0.0002+fresh:50:0.0002+fresh:50:0.0002    three rounds
    first:150:0.0002                                   one round of as many steps

`scratch` is the demo's student; `habits` and `foreign` are the first start of benchmarks/foreign.py, with repairs in
its own words and in foreign ones. The demo's debugger repairs. With replay, drafts that pass are trained on, too.

`cells.jsonl` keeps each measurement, so the same command goes on after a kill. The problems that a model solves are the
bits of `solved`, in hexadecimal. `python -m benchmarks.rounds_table` makes the tables and the picture of cells alone.
"""

import argparse
import shutil
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.foreign import CHOICE_SEED, ROOT, Cells, Start, enter, rewrite
from iterpref_core.pairs.codeflow.codeflow import debug_problems
from iterpref_core.pairs.localization.localization import localize_pairs
from iterpref_core.pairs.selection.pair_selection import select_pairs
from iterpref_core.records import Params, PreferencePair, Trajectory, with_values
from iterpref_core.storage.jsonl import read_jsonl, write_jsonl

STARTS = ("scratch", "habits", "foreign")
METHODS = ("sft", "target-rpo")
SEEDS = (1, 2, 3)
RATES = (2e-4, 5e-4)
STEPS, ROUNDS = 50, 3
# Lengths of the first training, in rounds, of which validation chooses the best.
LENGTHS = (3, 6, 12)


class Training(NamedTuple):
    """A part of a way."""

    source: str
    steps: int
    rate: float


Way = tuple[Training, ...]


def by_rounds(rate: float, rounds: int = ROUNDS) -> Way:
    """Return the way of rounds on fresh drafts."""
    return tuple(Training("fresh" if number else "first", STEPS, rate) for number in range(rounds))


def by_steps(rate: float, rounds: int = ROUNDS) -> Way:
    """Return the way of one round with the steps of several."""
    return (Training("first", STEPS * rounds, rate),)


SIDES = (by_rounds, by_steps)


def text_of(way: Way) -> str:
    """Return a way as a cell has it."""
    return "+".join(f"{source}:{steps}:{rate:g}" for source, steps, rate in way)


class Scratch(Start):
    """The demo's student, which has no systematic mistakes."""

    def _train(self, base: Path) -> None:
        shutil.copytree(base.parent / "student", self.model)


class Lab:
    """A start, and all that is trained from it."""

    def __init__(self, name: str, params: Params, base: Path) -> None:
        self._name, self._params, self._debugger = name, params, base
        self._start = (Scratch if name == "scratch" else Start)(int(name != "scratch"), Path(), params, base)

    def _model(self, way: Way, method: str, replay: bool, seed: int) -> tuple[Path, str]:
        """Return the model at the end of a way, and its name."""
        if not way:
            return self._start.model, "start"
        known, _ = self._model(way[:-1], method, replay, seed)
        pairs = self._pairs(self._debug(way, method, replay, seed), known, replay)
        name = f"{self._name}-{method}-{'replay-' * replay}{seed}-{text_of(way)}"
        values = {"seed": seed, "learning_rate": way[-1].rate, "arguments": {"max_steps": way[-1].steps}}
        return self._start.train(pairs, method, name, values, known), name

    def _debug(self, way: Way, method: str, replay: bool, seed: int) -> Path:
        """Return the trajectories that the last training of a way learns from."""
        model, name = self._model(way[:-1] if way[-1].source == "fresh" else (), method, replay, seed)
        path = self._start.folder / "trajectories" / self._name / f"{name}-{seed}.jsonl"
        if not path.exists():
            debug_problems(
                with_values(self._params, {"codeflow.seed": seed}),
                problems=self._start.folder / "problems.jsonl",
                student=model,
                debugger=self._debugger,
                answers=Path("answers.sqlite"),
                out=path,
            )
        return path

    def _pairs(self, trajectories: Path, tokenizer: Path, replay: bool) -> Path:
        """Return the file of pairs of trajectories, in the start's words."""
        path = trajectories.with_suffix(".replay" if replay else ".pairs")
        if not path.exists():
            selected, worded = path.with_suffix(".selected"), path.with_suffix(".worded")
            params = with_values(self._params, {"pairs.replay": "all" if replay else "none"})
            select_pairs([trajectories], self._start.folder / "problems.jsonl", tokenizer, params.pairs, selected)
            better = self._start.better(self._name)
            write_jsonl(
                worded,
                (
                    pair.model_copy(update={"chosen": rewrite(pair.chosen, better)} if pair.rejected else {})
                    for pair in read_jsonl(selected, PreferencePair)
                ),
            )
            localize_pairs(worded, params.localization, path)
        return path

    def measure(self, way: Way, benchmark: str, *setting: Any) -> dict[str, Any]:
        """Return which problems the model at the end of a way solves, and what its pairs took."""
        model, name = self._model(way, *setting)
        passed = self._start.passed(model, benchmark, name)
        bits = [problem.task_id in passed for problem in self._start.problems if problem.split == benchmark]
        files = {self._debug(way[:number], *setting) for number in range(1, len(way) + 1)}
        attempts = [attempt for file in files for row in read_jsonl(file, Trajectory) for attempt in row.attempts]
        tokens = sum((attempt.prompt_tokens or 0) + (attempt.completion_tokens or 0) for attempt in attempts)
        return {"problems": len(bits), "solved": np.packbits(bits).tobytes().hex(), "tokens": tokens}


def solved_in(cell: Mapping[str, Any]) -> np.ndarray:
    """Return 1 for each problem that a cell's model solves, and 0 for the others."""
    return np.unpackbits(np.frombuffer(bytes.fromhex(cell["solved"]), np.uint8))[: cell["problems"]]


def study(starts: Sequence[str], solved: Callable[..., np.ndarray]) -> None:
    """Ask for every cell, in blocks over all starts, so that what is done by some time is balanced.

    Args:
        starts: some of `STARTS`.
        solved: (start, way, benchmark, method, replay, seed) → what the model solves.
    """

    def best(start: str, ways: Sequence[Way]) -> Way:
        return max(ways, key=lambda way: solved(start, way, "validation").mean())

    chosen = {(start, side): best(start, [side(rate) for rate in RATES]) for start, side in product(starts, SIDES)}
    for seed, replay, method in product(SEEDS, (False, True), METHODS):
        for (start, _), way in chosen.items():
            solved(start, (), "heldout")
            solved(start, way, "heldout", method, replay, seed)
        if (seed, replay, method) == (SEEDS[0], False, METHODS[0]):
            for start in starts:
                # A first round for as long as validation rises; then once more, on the same pairs or on fresh ones.
                first = best(start, [by_steps(chosen[start, by_steps][0].rate, rounds) for rounds in LENGTHS])
                for source in ("first", "fresh"):
                    further = best(start, [(*first, Training(source, STEPS, rate)) for rate in RATES])
                    solved(start, further, "heldout")
                solved(start, first, "heldout")
            for ((start, side), way), rounds in product(chosen.items(), range(1, ROUNDS)):
                solved(start, side(way[0].rate, rounds), "heldout", method, replay, seed)


def main() -> None:
    """Run the study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="for models, results and cells.jsonl")
    parser.add_argument("--base", type=Path, default=ROOT / "models/debugger", help="the debugger of `make demo`")
    parser.add_argument("--starts", nargs="+", default=STARTS, choices=STARTS)
    given = parser.parse_args()
    base = given.base.resolve()
    params = enter(given.folder, {"problems.heldout": 2000, "codeflow.max_iterations": 2, "pairs.benchmarks": []})
    labs = {name: Lab(name, params, base) for name in given.starts}
    cells = Cells(Path("cells.jsonl"))

    def solved(
        start: str, way: Way, benchmark: str, method: str = "sft", replay: bool = False, seed: int = CHOICE_SEED
    ) -> np.ndarray:
        key = {"start": start, "way": text_of(way), "method": method, "replay": replay, "seed": seed}
        setting = (way, benchmark, method, replay, seed)
        return solved_in(cells.get({**key, "benchmark": benchmark}, lambda: labs[start].measure(*setting)))

    study(given.starts, solved)


if __name__ == "__main__":
    main()
