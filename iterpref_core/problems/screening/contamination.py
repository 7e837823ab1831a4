"""Find pairs that contain a benchmark's tasks.

There are four kinds of evidence, for each pair and task:

- `prompt`: the prompts, or the statements in them, are the same in their merged form (`records.statement`);
- `example`: the pair's prompt has an assertion or doctest of the task's prompt;
- `ngram`: runs of 8 words of the pair's prompt or chosen program cover at least 80% of a solution or of a prompt of the
  task (whole, without its examples, or its statement alone). A run in more than ten tasks does not count, since it is
  the style of the benchmark's authors;
- `ast`: the body of a function of the chosen program is one of the task's solution, up to all names, the order of
  statements, calls of `print`, layout, comments and annotations (`normal_form`), and has at least 20 nodes. Shorter
  ones are written by anybody.

A program without any of these may still be a solution that somebody edited. It is named for a person, and stays, if it
has the statements that make 80% of a solution of 20 nodes, each by itself and up to all names (`looks`).

Runs of words mean little in prompts that are composed of the same phrases, as this project's held-out problems are.
These problems are compared by `prompt` and `ast` alone.

Functions of one module are different tasks. What counts of somebody's own function is its signature, docstring and
program, without the outline of its module (`records.statement`). Docstrings of one author resemble each other, and
their examples call each other's functions. So runs of words are compared with the function as a whole, a docstring of
fewer than eight words counts only together with the program, and examples do not count.

Coverage by n-grams is the measure of Lambert et al., "Tulu 3" (2024), who count 50% of a prompt.
"""

import json
import logging
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, product
from pathlib import Path
from typing import Any

from iterpref_core.programs.source_code.normal_form import solution_forms, statement_forms
from iterpref_core.records import (
    PUBLISHED,
    ConfigError,
    DataUnavailableError,
    InputError,
    PreferencePair,
    Problem,
    exact_form,
    loose_words,
    merged_form,
    prompt_text,
    question,
    unknown_name,
    without_outline,
    word_runs,
)
from iterpref_core.storage.digests import file_digest
from iterpref_core.storage.jsonl import write_text

from .benchmark_files import find_benchmark
from .benchmark_tasks import HELDOUT, BenchmarkTask, read_benchmark, task_statement

logger = logging.getLogger(__name__)

EVIDENCE = ("prompt", "example", "ngram", "ast")
# (benchmark, name of a task)
Owner = tuple[str, str]

# The number of words in a run.
RUN = 8
# The least share of a text's words in shared runs that makes an overlap.
COVERED = 0.8
# The largest number of tasks that a run may occur in. More frequent runs are the benchmark's style.
COMMON = 10
# The least number of words of an example. Shorter examples, such as `assert f(1)`, occur in many tasks.
EXAMPLE = 4
# The least number of nodes of a function's body. MBPP's other 596 tasks share no body of 20 nodes with MBPP+, and its
# 974 none of 8 with HumanEval. Two of the 596 share one of 17 or 18 nodes, which is the same function.
FORM = 20
# The number of contaminated pairs that are kept as examples for each benchmark.
SHOWN = 5
CONTAMINATED = "it overlaps with a task of a benchmark"
_EXAMPLE_LINE = re.compile(r"^\s*(?:>>>|assert\b).*$", re.MULTILINE)


def check_benchmarks(names: Iterable[str]) -> None:
    """Refuse a name that is neither a benchmark nor a file.

    Raises:
        ConfigError: the first one.
    """
    for name in names:
        if name not in (HELDOUT, *PUBLISHED) and not Path(name).is_file():
            raise ConfigError(
                f"pairs.benchmarks, --against: {unknown_name('benchmark', name, (HELDOUT, *PUBLISHED))}; there is no "
                "such file either"
            )


@dataclass
class Overlap:
    """The overlap of pairs with one benchmark.

    Attributes:
        tasks: the number of the benchmark's tasks.
        pairs: the number of pairs that share something with a task.
        kinds: the number of pairs by kind of evidence.
        examples: some of the pairs, each with the task that it shares most with: `PAIR = TASK`.
        overlapping: the names of all tasks that a pair shares something with.
        resembling: the pairs that share nothing, but have most statements of a task's solution: `PAIR = TASK`.
    """

    tasks: int = 0
    pairs: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)
    overlapping: set[str] = field(default_factory=set)
    resembling: list[str] = field(default_factory=list)


class Decontamination:
    """An index of benchmarks' tasks by everything that a pair may share with them.

    The index is in memory; runs of words and programs are kept as hashes.

    Args:
        benchmarks: names of benchmarks, or paths of JSONL files.
        problems: JSONL with the held-out problems.
        pass_over: if a named benchmark is not available here, warn and report instead of raising.

    Attributes:
        overlaps: the counts of every benchmark.
        contaminated: the number of pairs that share something with a benchmark.

    Raises:
        ConfigError: a name is neither a benchmark nor a file.
        InputError: a file is not a benchmark's, or has no task; or a named benchmark is not available here.
    """

    def __init__(self, benchmarks: Iterable[str], problems: Path, *, pass_over: bool = False) -> None:
        benchmarks = tuple(dict.fromkeys(benchmarks))
        check_benchmarks(benchmarks)
        self._files: dict[str, Path] = {}
        self._absent: dict[str, str] = {}
        self.contaminated = 0
        self.overlaps: dict[str, Overlap] = {}
        # Dictionaries to None are sets that keep their order, so that a report is the same in every run.
        # Merged form of a prompt, or normal form of a function → the tasks with this prompt, or a solution with it.
        # Docstring and normal form of an own function → the tasks that have both.
        self._wholes: dict[str | int, dict[Owner, None]] = defaultdict(dict)
        # First words of an example → the whole example, and the task that shows it.
        self._examples: dict[tuple[str, ...], dict[tuple[str, Owner], None]] = defaultdict(dict)
        # A text's task and number of words, or a solution's task and number of nodes.
        self._texts: list[tuple[Owner, int]] = []
        # Hash of a run of words, or of a statement's form → the texts that have it by their place in `_texts`, and
        # where in them.
        self._runs: dict[int, list[tuple[int, range]]] = defaultdict(list)
        for name in benchmarks:
            try:
                paths = find_benchmark(PUBLISHED[name]).files if name in PUBLISHED else (Path(name),)
            except DataUnavailableError as error:
                self._absent[name] = str(error)
                continue
            for path in (problems,) if name == HELDOUT else paths:
                self._read(name if len(paths) == 1 else f"{name}/{path.name}", path)
        reasons = ", ".join(f"{name} ({reason})" for name, reason in self._absent.items())
        if reasons and not pass_over:
            raise InputError(f"cannot check contamination against: {reasons}; set the variables that they name")
        if reasons:
            logger.warning("contamination is not checked against: %s", reasons)

    def _read(self, name: str, path: Path) -> None:
        self.add(name, read_benchmark(path, only_heldout=name == HELDOUT))
        if self.overlaps[name].tasks:
            self._files[name] = path
        elif name == HELDOUT:
            self._absent[HELDOUT] = f"{path}: no problem of split {HELDOUT!r}"
            del self.overlaps[HELDOUT]
        else:
            raise InputError(f"{path}: no task to compare pairs with; give a benchmark's file")

    def add(self, benchmark: str, tasks: Iterable[BenchmarkTask]) -> None:
        """Add a benchmark's tasks."""
        overlap = self.overlaps.setdefault(benchmark, Overlap())
        runs: dict[int, list[tuple[int, range]]] = defaultdict(list)
        for task in tasks:
            overlap.tasks += 1
            owner = (benchmark, task.name)
            statements = [task_statement(prompt) for prompt in task.prompts]
            for whole in _wholes_of(task, statements):
                self._wholes[whole][owner] = None
            if task.composed:
                continue
            for line in () if task.own_code else _EXAMPLE_LINE.findall("\n".join(task.prompts)):
                words = loose_words(line)
                if len(words) >= EXAMPLE:
                    self._examples[tuple(words[:EXAMPLE])][" ".join(words), owner] = None
            self._add_statements(owner, _programs_of(task))
            for text in _texts_of(task, statements):
                words = loose_words(text)
                for position, run in enumerate(_runs(words)):
                    runs[run].append((len(self._texts), range(position, position + RUN)))
                self._texts.append((owner, len(words)))
        # Runs in more than `COMMON` tasks are known only after the whole benchmark is read.
        for run, places in runs.items():
            if len({self._texts[text][0] for text, _ in places}) <= COMMON:
                self._runs[run].extend(places)

    def _add_statements(self, owner: Owner, programs: Iterable[str]) -> None:
        for code in programs:
            forms = list(statement_forms(code))
            # Anybody writes a small program.
            if sum(nodes for _, nodes in forms) < FORM:
                continue
            size = 0
            for form, nodes in forms:
                self._runs[hash(form)].append((len(self._texts), range(size, size + nodes)))
                size += nodes
            self._texts.append((owner, size))

    def partner(self, record: PreferencePair | Problem) -> str:
        """Return the task that shares most with a pair or problem, such as `humaneval HumanEval/3`; count the overlap.

        The text is empty for a clean record.
        """
        if not self.overlaps:
            return ""
        program = record.chosen if isinstance(record, PreferencePair) else record.reference or ""
        words = loose_words(without_outline(prompt_text(record.prompt)))
        # A prompt, or the statement in it: a function may have got another name.
        statement = task_statement(question(record.prompt))
        stated = exact_form(statement)
        prompts = (merged_form(record.prompt), merged_form(statement), stated)
        evidence: dict[str, Iterable[Owner]] = {
            "prompt": (owner for form in prompts for owner in self._wholes.get(form, ())),
            "example": self._shown_in(words),
            "ngram": self._covered(chain(_runs(words), _runs(loose_words(program)))),
            "ast": (owner for form in _forms(program, stated) for owner in self._wholes.get(form, ())),
        }
        shared: dict[Owner, set[str]] = defaultdict(set)
        for kind, owners in evidence.items():
            for owner in owners:
                shared[owner].add(kind)
        for benchmark, overlap in self.overlaps.items():
            tasks = {task: kinds for (name, task), kinds in shared.items() if name == benchmark}
            overlap.pairs += bool(tasks)
            overlap.overlapping.update(tasks)
            overlap.kinds.update(set[str]().union(*tasks.values()))
            if tasks and len(overlap.examples) < SHOWN:
                overlap.examples.append(f"{record.task_id} = {max(tasks, key=lambda task: len(tasks[task]))}")
        if not shared:
            statements = (hash(form) for form, _ in statement_forms(program))
            for benchmark, task in dict(self._covered(statements)).items():
                self.overlaps[benchmark].resembling.append(f"{record.task_id} = {task}")
        self.contaminated += bool(shared)
        closest = max(shared, key=lambda owner: len(shared[owner]), default=None)
        return " ".join(closest) if closest else ""

    def _shown_in(self, words: Sequence[str]) -> Iterator[Owner]:
        """Yield the owners of the examples in a text."""
        text = f" {' '.join(words)} "
        # An example is found by its first words, and then compared to its end.
        for start in word_runs(words, EXAMPLE):
            for example, owner in self._examples.get(start, ()):
                if f" {example} " in text:
                    yield owner

    def _covered(self, runs: Iterable[int]) -> Iterator[Owner]:
        # With runs of 3 words: "a b c d" in a pair covers words 2 to 5 of the task's "x y a b c d z", 4 of 7.
        covered: dict[int, set[int]] = defaultdict(set)
        for run in runs:
            for text, places in self._runs.get(run, ()):
                covered[text].update(places)
        # Compare with the length of the task's text: a long pair may contain a short task.
        for text, positions in covered.items():
            owner, length = self._texts[text]
            if len(positions) >= COVERED * length:
                yield owner

    def looks(self) -> Iterator[str]:
        """Yield a sentence with all pairs that resemble tasks of a benchmark, for each benchmark with such."""
        for name, overlap in self.overlaps.items():
            if overlap.resembling:
                yield (
                    f"{len(overlap.resembling)} programs have most statements of a solution of {name}, and stay; read "
                    f"them: {', '.join(overlap.resembling)}"
                )

    def report(self) -> dict[str, Any]:
        """Return the counts of each benchmark, and the benchmarks that are absent."""
        benchmarks: dict[str, dict[str, Any]] = {}
        for name, path in self._files.items():
            overlap = self.overlaps[name]
            benchmarks[name] = {
                "file": path.name,
                "sha256": file_digest(path),
                "tasks": overlap.tasks,
                "pairs": overlap.pairs,
                **{kind: overlap.kinds[kind] for kind in EVIDENCE},
                "examples": overlap.examples,
                "overlapping": sorted(overlap.overlapping),
            }
        counts = {"pairs": self.contaminated, "dropped": self.contaminated}
        return {**counts, "benchmarks": benchmarks, "absent": self._absent}

    def write_report(self, path: Path) -> None:
        """Write the report as JSON."""
        write_text(path, json.dumps(self.report(), indent=2, ensure_ascii=False) + "\n")


def _runs(words: Sequence[str]) -> Iterator[int]:
    # Hashes of 64 bits are salted anew in every process and never leave the process. Two different runs have the same
    # hash once in 10^13 look-ups.
    return map(hash, word_runs(words, RUN))


def _wholes_of(task: BenchmarkTask, statements: Sequence[str]) -> Iterator[str | int]:
    """Yield the exact forms of a task's prompts and of the statements in them, and the hashes of its functions."""
    # The merged form would take "x + y" for "x - y".
    stated = list(map(exact_form if task.own_code else merged_form, filter(None, statements)))
    for code, statement in product(_programs_of(task), stated if task.own_code else [""]):
        yield from _forms(code, statement)
    yield from (form for form in stated if not task.own_code or len(loose_words(form)) >= RUN)
    yield from map(merged_form, filter(None, task.prompts))


def _programs_of(task: BenchmarkTask) -> list[str]:
    # A benchmark of code completion publishes only the body, which needs the prompt before it.
    return [*task.solutions, *(prompt + code for prompt in task.prompts for code in task.solutions)]


def _texts_of(task: BenchmarkTask, statements: Sequence[str]) -> Iterable[str]:
    """Return the different texts of a task that runs of words may cover."""
    # The source of an own function has its signature and its docstring.
    if task.own_code:
        return task.solutions
    # A copy may have the whole prompt, the prompt without its examples, or the bare statement.
    without_examples = [_EXAMPLE_LINE.sub("", prompt) for prompt in task.prompts]
    return dict.fromkeys((*task.prompts, *without_examples, *statements, *task.solutions))


def _forms(code: str, statement: str = "") -> Iterator[int]:
    """Yield the hashes of the normal forms of a program's functions, of short ones together with a statement.

    Anybody would write a short function. Without a statement short ones are left out.
    """
    for form, size in solution_forms(code):
        if size >= FORM:
            yield hash(form)
        elif statement:
            yield hash((statement, form))
