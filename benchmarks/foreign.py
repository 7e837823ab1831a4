"""Measure what a training keeps where another model repairs in its own words: `python -m benchmarks.foreign FOLDER`.

The regime `foreign` of docs/study.md. Each start is the demo's debugger, which goes on with the 2,600 programs that it
learned, now with systematic mistakes: four tenths of the right lines for `kept` and `done` are replaced by one wrong
line each, in seven of ten programs. Problems that its draft fails and that have such a line become pairs: the rejected
program has the mistakes, the chosen one has these lines in words that the student has never seen,

    kept = [n for n in part if n > 3]    ->    kept = list(filter(lambda n: n > 3, part))

Drafts that pass can be replayed. Each method, with and without replay, chooses a rate and a number of epochs on
validation problems with one seed; new seeds of that setting are then measured once on held-out problems. With one rate
and one number there is no choice to make.

`cells.jsonl` keeps each measurement, so the same command goes on after a kill. A cell has `pass_at_1`, its parts on
problems `with_mistake` and `others`, and `kept`, the share of what the start solved that is still solved.
"""

import argparse
import ast
import json
import os
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import torch
from transformers import LlamaForCausalLM

from iterpref_core import evaluate
from iterpref_core.evaluation.evaluation.results_file import load_model_results
from iterpref_core.evaluation.scoring.leaderboard import rank_models
from iterpref_core.models.pretrained.tokenizers import load_tokenizer
from iterpref_core.models.prompts.codeflow_prompts import draft_prompt
from iterpref_core.nanolab.pretrain import Example, pretrain
from iterpref_core.pairs.localization.localization import localize_pairs
from iterpref_core.problems.composition.problem_splits import compose_splits
from iterpref_core.records import (
    Params,
    PreferencePair,
    Problem,
    Sample,
    load_params,
    with_values,
)
from iterpref_core.storage.jsonl import read_jsonl, write_jsonl
from iterpref_core.training.trainer.train_objective import train_objective

ROOT = Path(__file__).resolve().parents[1]
METHODS = ("sft", "rpo", "target-rpo")
REPLAY = (0, 128)
RATES = (1e-4, 3e-4)
EPOCHS = (3, 10)
STEPS = 60
MISTAKEN_LINES, MISTAKEN_PROGRAMS = 0.4, 0.7
CHOICE_SEED = 17

Lines = dict[str, str]
"""Right lines, and what the student writes instead."""


class Setting(NamedTuple):
    """A method with its settings."""

    method: str
    replay: int
    rate: float
    epochs: int


def slot(line: str) -> str | None:
    """Return what lines must share to replace each other: the target, the loop's variables and its source."""
    target, _, value = line.strip().partition(" = [")
    if target not in ("kept", "done") or not value:
        return None
    loop = value.partition(" for ")[2].removesuffix("]")
    return f"{target}: {loop.partition(' if ')[0]}"


def draw_mistakes(problems: Sequence[Problem], random: Random) -> Lines:
    """Return a fixed wrong line for some of the right ones; each wrong line is right elsewhere."""
    lines_of = defaultdict[str, set[str]](set)
    for problem in problems:
        for line in (problem.reference or "").splitlines():
            if place := slot(line):
                lines_of[place].add(line)
    mistakes: Lines = {}
    for _, lines in sorted(lines_of.items()):
        shuffled = random.sample(sorted(lines), len(lines))
        count = round(MISTAKEN_LINES * len(shuffled))
        mistakes |= {line: random.choice(shuffled[count:]) for line in shuffled[:count]}
    return mistakes


def in_other_words(line: str) -> str:
    """Return a comprehension's line with `filter` or `map`.

    >>> in_other_words("    done = [(k, v * 2) for k, v in kept]")
    '    done = list(map(lambda pair: (pair[0], pair[1] * 2), kept))'
    """
    (statement,) = ast.parse(line.strip()).body
    assert isinstance(statement, ast.Assign)
    assert isinstance(statement.value, ast.ListComp)
    (loop,) = statement.value.generators
    call, body = ("filter", loop.ifs[0]) if loop.ifs else ("map", statement.value.elt)
    item = ast.unparse(loop.target)
    if isinstance(loop.target, ast.Tuple):
        names = {ast.unparse(name): f"pair[{place}]" for place, name in enumerate(loop.target.elts)}
        item, body = "pair", _Renaming(names).visit(body)
    indent = line[: len(line) - len(line.lstrip())]
    target, source = ast.unparse(statement.targets[0]), ast.unparse(loop.iter)
    return f"{indent}{target} = list({call}(lambda {item}: {ast.unparse(body)}, {source}))"


class _Renaming(ast.NodeTransformer):
    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.parse(self._names[node.id], mode="eval").body if node.id in self._names else node


def rewrite(program: str, changed: Mapping[str, str]) -> str:
    """Return a program with some lines replaced."""
    return "".join(changed.get(line, line) + "\n" for line in program.splitlines())


class Start:
    """A student with systematic mistakes, its pairs, and the programs that it can replay."""

    def __init__(self, number: int, folder: Path, params: Params, base: Path) -> None:
        self.number = number
        self.folder = folder / f"start-{number}"
        self.model = self.folder / "student"
        self._params = params
        self.problems = list(compose_splits(params.problems))
        self.mistakes = draw_mistakes(self.problems, Random(number))
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self.model.exists():
            self._train(base)
        if not (self.folder / "problems.jsonl").exists():
            write_jsonl(self.folder / "problems.jsonl", self.problems)

    def _train(self, base: Path) -> None:
        random = Random(self.number)
        examples = []
        for problem in self.problems:
            if problem.split in ("student", "debugger"):
                wrong = {line: bad for line, bad in self.mistakes.items() if random.random() < MISTAKEN_PROGRAMS}
                examples.append(Example(draft_prompt(problem.prompt), rewrite(problem.reference or "", wrong)))
        tokenizer = load_tokenizer(base)
        slower = self._params.nanolab.model_copy(update={"muon_learning_rate": 0.01})
        known = LlamaForCausalLM.from_pretrained(base, dtype=torch.float32)
        model, _ = pretrain(examples, tokenizer, slower, STEPS, f"start {self.number}", known)
        partial = self.folder / "student.partial"
        model.save_pretrained(partial)
        tokenizer.save_pretrained(partial)
        partial.rename(self.model)

    def has_mistake(self, problem: Problem) -> bool:
        """Return True if the reference has a line that the student gets wrong."""
        return any(line in self.mistakes for line in (problem.reference or "").splitlines())

    def passed(self, model: Path, benchmark: str, name: str, problems: Path | None = None) -> set[str]:
        """Return the problems that a model solves; what was measured before is read."""
        out = self.folder / "results" / name
        measured = out.exists() and benchmark in load_model_results(out).measured
        if not measured:
            evaluate(model, [benchmark], out, problems=problems or self.folder / "problems.jsonl")
        return set(load_model_results(out).measured[benchmark].passed)

    def better(self, words: str) -> Lines:
        """Return what repairs have in place of the lines that the student gets wrong."""
        return {line: in_other_words(line) if words == "foreign" else line for line in self.mistakes}

    def pairs(self, replay: int, words: str = "foreign") -> Path:
        """Return the file of pairs with their regions, and with programs to replay."""
        path = self.folder / f"{words}-{replay}.jsonl"
        if not path.exists():
            write_jsonl(self.folder / "unmarked.jsonl", self._rows(replay, words))
            localize_pairs(self.folder / "unmarked.jsonl", self._params.localization, path)
        return path

    def _rows(self, replay: int, words: str) -> Iterator[PreferencePair]:
        problems = [problem for problem in self.problems if problem.split == "codeflow"]
        # A benchmark of the problems that become pairs: the verb drafts and judges them.
        file = self.folder / "codeflow.jsonl"
        write_jsonl(file, (problem.model_copy(update={"split": "validation"}) for problem in problems))
        solved = self.passed(self.model, "validation", "drafts", file)
        samples = read_jsonl(self.folder / "results/drafts/samples/validation.jsonl", Sample)
        drafts = {sample.task_id: sample.solution for sample in samples}
        replayed = Random(self.number).sample(sorted(solved), min(replay, len(solved)))
        better = self.better(words)
        for problem in problems:
            reference = problem.reference or ""
            row = {"task_id": problem.task_id, "prompt": problem.prompt, "problem_id": problem.task_id}
            if problem.task_id in replayed:
                yield PreferencePair(**row, chosen=drafts[problem.task_id] or "")
            elif problem.task_id not in solved and self.has_mistake(problem):
                yield PreferencePair(
                    **row, chosen=rewrite(reference, better), rejected=rewrite(reference, self.mistakes)
                )

    def train(self, pairs: Path, method: str, name: str, values: Mapping[str, Any], model: Path | None = None) -> Path:
        """Return a model that was trained on pairs, from the start or another model, with some values of `training`."""
        out = self.folder / "models" / name
        if not out.exists():
            changed = with_values(self._params, {f"training.{key}": value for key, value in values.items()})
            train_objective(
                pairs,
                model or self.model,
                method,
                changed.training,
                out,
                self.folder / "models" / f"{name}.csv",
                self.folder / "scratch",
                prompt=self._params.model.student_format,
            )
        return out

    def measure(self, setting: Setting, seed: int, benchmark: str) -> dict[str, float]:
        """Train with a setting, and return its scores."""
        name = f"{setting.method}-{setting.replay}-{setting.rate:g}-{setting.epochs}-{seed}"
        model = self.folder / "models" / name
        measured = (self.folder / "results" / name / "results.json").exists()
        if not measured:
            values = {"seed": seed, "epochs": setting.epochs, "learning_rate": setting.rate}
            self.train(self.pairs(setting.replay), setting.method, name, values)
        passed = self.passed(model, benchmark, name)
        solved = self.passed(self.model, benchmark, "start")
        shutil.rmtree(model, ignore_errors=True)
        problems = [problem for problem in self.problems if problem.split == benchmark]
        parts = defaultdict[str, list[bool]](list)
        for problem in problems:
            is_solved = problem.task_id in passed
            parts["pass_at_1"].append(is_solved)
            parts["with_mistake" if self.has_mistake(problem) else "others"].append(is_solved)
            if problem.task_id in solved:
                parts["kept"].append(is_solved)
        return {part: round(sum(found) / len(found), 4) for part, found in parts.items() if found}


class Cells:
    """The measurements, one a line of a file; none is made twice."""

    def __init__(self, path: Path) -> None:
        self._path = path
        lines = path.read_text().splitlines() if path.exists() else []
        self._cells: list[dict[str, Any]] = [json.loads(line) for line in lines]

    def get(self, key: Mapping[str, Any], measure: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
        """Return the cell with a key, measured if need be."""
        for known in self._cells:
            if key.items() <= known.items():
                return known
        cell = {**key, **measure()}
        self._cells.append(cell)
        with self._path.open("a") as file:
            file.write(json.dumps(cell) + "\n")
        print(json.dumps(cell), flush=True)
        return cell


def study(
    starts: Sequence[Start], cells: Cells, methods: Sequence[str], seeds: int, grid: Sequence[tuple[float, int]]
) -> None:
    """Choose each method's setting on validation problems, measure it on held-out ones, and print the tables."""
    for start in starts:

        def cell(setting: Setting, seed: int, benchmark: str, start: Start = start) -> dict[str, Any]:
            key = {"start": start.number, "seed": seed, "benchmark": benchmark, **setting._asdict()}
            return cells.get(key, lambda: start.measure(setting, seed, benchmark))

        chosen = {}
        for method, replay in product(methods, REPLAY):
            settings = [Setting(method, replay, rate, epochs) for rate, epochs in grid]
            best = settings[0]
            if len(settings) > 1:
                tried = {setting: cell(setting, CHOICE_SEED, "validation") for setting in settings}
                best = max(tried, key=lambda setting: tried[setting]["pass_at_1"])
            chosen[method, replay] = best
        start.passed(start.model, "heldout", "start")
        rows = {"start": [load_model_results(start.folder / "results/start")]}
        for (method, replay), setting in chosen.items():
            names = []
            for seed in range(1, seeds + 1):
                cell(setting, seed, "heldout")
                names.append(f"{method}-{replay}-{setting.rate:g}-{setting.epochs}-{seed}")
            found = [load_model_results(start.folder / "results" / name) for name in names]
            rows[f"{method}, {replay} replayed, rate {setting.rate:g}, {setting.epochs} epochs"] = found
        print(f"start {start.number}\n{rank_models(rows, ['heldout']).markdown()}", flush=True)


def enter(folder: Path, values: Mapping[str, Any]) -> Params:
    """Work in a folder, and return the delivered parameters with some values; answers and scratch files lie there."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "params.yaml", folder / "params.yaml")
    os.chdir(folder)
    return with_values(load_params(), values)


def main() -> None:
    """Run the study, or the part of it that the arguments name."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="for models, results and cells.jsonl")
    parser.add_argument(
        "--starts", type=int, nargs="+", default=(1, 2, 3), help="numbers, each with mistakes of its own"
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--base", type=Path, default=ROOT / "models/debugger", help="the debugger of `make demo`")
    parser.add_argument("--heldout", type=int, default=2000, help="problems")
    parser.add_argument("--methods", nargs="+", default=METHODS, choices=METHODS)
    parser.add_argument("--rates", type=float, nargs="+", default=RATES)
    parser.add_argument("--epochs", type=int, nargs="+", default=EPOCHS)
    given = parser.parse_args()
    base = given.base.resolve()
    params = enter(given.folder, {"problems.heldout": given.heldout})
    starts = [Start(number, Path(), params, base) for number in given.starts]
    grid = list(product(given.rates, given.epochs))
    study(starts, Cells(Path("cells.jsonl")), given.methods, given.seeds, grid)


if __name__ == "__main__":
    main()
