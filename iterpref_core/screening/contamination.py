"""Contamination: do pairs contain what a benchmark will ask? Found by prompts, by runs of words, by programs' form.

Four kinds of evidence, for each pair and task:

- `prompt`: the prompts are the same but for case, punctuation and blanks;
- `example`: an assertion or doctest of the task's prompt stands in the pair's prompt;
- `ngram`: runs of 8 words of the pair's prompt or chosen program cover at least 80% of a prompt (with or without its
  examples) or of a solution of the task. A run that stands in more than ten tasks is the benchmark's way of speaking;
- `ast`: a function of the chosen program is one of the task's solution, up to all names, layout, comments and
  annotations (`normal_form`), where it has at least 20 nodes: shorter ones are written by anybody.

Runs of words say nothing where all prompts are composed of the same phrases, as this project's own held-out problems
are: they are compared by `prompt` and `ast` alone.

Coverage by n-grams is the measure of Lambert et al., "Tulu 3" (2024), who count 50% of a prompt.
"""

import json
import logging
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from iterpref_core.errors import DataUnavailableError, InputError
from iterpref_core.records import PreferencePair
from iterpref_core.screening.benchmark_files import SOURCES, find_benchmark
from iterpref_core.screening.benchmark_tasks import HELDOUT, BenchmarkTask, read_benchmark
from iterpref_core.source_code.normal_form import solution_forms
from iterpref_core.storage.file_digest import file_digest
from iterpref_core.storage.jsonl import atomic_writer

logger = logging.getLogger(__name__)

Kind = Literal["prompt", "example", "ngram", "ast"]

RUN = 8
"""Words in a row that are looked up."""
COVERED = 0.8
"""Share of a text's words in such runs that counts as overlap."""
COMMON = 10
"""A run that stands in more tasks than this is a benchmark's way of speaking, not a task."""
EXAMPLE = 4
"""Words that an example has at least; fewer, such as `assert f(1)`, stand in many tasks."""
FORM = 20
"""Nodes that a function has at least. Of MBPP's other 596 tasks none shares one with MBPP+, but two share one of 15."""
SHOWN = 5
"""Examples of contaminated pairs that are kept for each benchmark."""
_WORD = re.compile(r"\w+")
_EXAMPLE_LINE = re.compile(r"^\s*(?:>>>|assert\b).*$", re.MULTILINE)


@dataclass
class Overlap:
    """What pairs share with one benchmark: pairs by kind of evidence, some of them, and all tasks concerned."""

    tasks: int = 0
    pairs: int = 0
    kinds: dict[Kind, int] = field(default_factory=lambda: dict.fromkeys(get_args(Kind), 0))
    examples: list[dict[str, Any]] = field(default_factory=list)
    overlapping: set[str] = field(default_factory=set)

    def add(self, pair: PreferencePair, tasks: dict[str, set[Kind]]) -> None:
        """Count a pair that shares something with some tasks."""
        self.pairs += 1
        self.overlapping.update(tasks)
        for kind in set[Kind]().union(*tasks.values()):
            self.kinds[kind] += 1
        if len(self.examples) < SHOWN:
            self.examples.append({"pair": pair.task_id, "task": max(tasks, key=lambda name: len(tasks[name]))})


Owner = tuple[str, str]
"""A benchmark, and the name of a task of it."""


class ContaminationIndex:
    """Tasks of benchmarks, by all that a pair may share with them. Held in memory: hashes, not texts.

    `overlaps` has the counts of every benchmark that was added.
    """

    def __init__(self) -> None:
        self.overlaps: dict[str, Overlap] = {}
        self._prompts: dict[str, dict[Owner, None]] = defaultdict(dict)
        self._forms: dict[int, dict[Owner, None]] = defaultdict(dict)
        self._examples: dict[str, dict[tuple[str, Owner], None]] = defaultdict(dict)
        self._texts: list[tuple[Owner, int]] = []
        self._runs: dict[int, list[tuple[int, int]]] = {}

    def add(self, benchmark: str, tasks: Iterable[BenchmarkTask]) -> None:
        """Add a benchmark's tasks."""
        overlap = self.overlaps.setdefault(benchmark, Overlap())
        runs: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for task in tasks:
            overlap.tasks += 1
            owner = (benchmark, task.name)
            for prompt in task.prompts:
                self._prompts[" ".join(_words(prompt))][owner] = None
            # A benchmark that completes code gives the body alone as the solution.
            completed = (prompt + solution for prompt in task.prompts for solution in task.solutions)
            for form in (form for code in (*task.solutions, *completed) for form in _forms(code)):
                self._forms[form][owner] = None
            if not task.composed:
                self._add_words(owner, task, runs)
        for run, places in runs.items():
            if len({self._texts[text][0] for text, _ in places}) <= COMMON:
                self._runs.setdefault(run, []).extend(places)

    def _add_words(self, owner: Owner, task: BenchmarkTask, runs: dict[int, list[tuple[int, int]]]) -> None:
        for words in (_words(line) for prompt in task.prompts for line in _EXAMPLE_LINE.findall(prompt)):
            if len(words) >= EXAMPLE:
                self._examples[" ".join(words[:EXAMPLE])][" ".join(words), owner] = None
        bare = (_EXAMPLE_LINE.sub("", prompt) for prompt in task.prompts)
        for words in map(_words, dict.fromkeys((*task.prompts, *bare, *task.solutions))):
            for place, run in enumerate(_runs(words)):
                runs[run].append((len(self._texts), place))
            self._texts.append((owner, len(words)))

    def find(self, pair: PreferencePair) -> dict[str, dict[str, set[Kind]]]:
        """What a pair shares: benchmark → task → kinds of evidence. Counted in `overlaps`."""
        shared: dict[str, dict[str, set[Kind]]] = {}
        asked, answered = _words(pair.prompt), _words(pair.chosen)
        evidence: tuple[tuple[Kind, Iterable[Owner]], ...] = (
            ("prompt", self._prompts.get(" ".join(asked), ())),
            ("example", self._shared_examples(asked)),
            ("ngram", self._covered([asked, answered])),
            ("ast", (owner for form in _forms(pair.chosen) for owner in self._forms.get(form, ()))),
        )
        for kind, owners in evidence:
            for benchmark, task in owners:
                shared.setdefault(benchmark, {}).setdefault(task, set()).add(kind)
        for benchmark, tasks in shared.items():
            self.overlaps[benchmark].add(pair, tasks)
        return shared

    def _shared_examples(self, words: Sequence[str]) -> Iterator[Owner]:
        for start in range(len(words) - EXAMPLE + 1):
            for example, owner in self._examples.get(" ".join(words[start : start + EXAMPLE]), ()):
                if " ".join(words[start : start + example.count(" ") + 1]) == example:
                    yield owner

    def _covered(self, texts: Iterable[Sequence[str]]) -> Iterator[Owner]:
        covered: dict[int, set[int]] = defaultdict(set)
        for words in texts:
            for run in _runs(words):
                for text, place in self._runs.get(run, ()):
                    covered[text].update(range(place, place + RUN))
        for text, places in covered.items():
            if len(places) >= COVERED * self._texts[text][1]:
                yield self._texts[text][0]


class Decontamination(ContaminationIndex):
    """Looks every pair up in benchmarks, and leaves out those that share something with one.

    Args:
        benchmarks: names, or paths of JSONL files.
        problems: JSONL with the held-out problems.
        drop: leave such pairs out; otherwise only count them.
        pass_over: a name that is not available here is said in a warning and in the report, and is no error.

    Raises:
        InputError: a path is no file, or no benchmark's, or one without a task; or a name is not available here.
    """

    def __init__(self, benchmarks: Iterable[str], problems: Path, *, drop: bool, pass_over: bool = False) -> None:
        super().__init__()
        self._files: dict[str, Path] = {}
        self._absent: dict[str, str] = {}
        self._drop = drop
        self.contaminated = self.dropped = 0
        for name in dict.fromkeys(benchmarks):
            try:
                files = (
                    find_benchmark(name).files if name in SOURCES else (problems if name == HELDOUT else Path(name),)
                )
            except DataUnavailableError as error:
                self._absent[name] = str(error)
                continue
            for path in files:
                several = f"{name}/{path.name}" if len(files) > 1 else name
                self._read(several if name in (HELDOUT, *SOURCES) else path.name, path)
        if self._absent:
            reasons = ", ".join(f"{name} ({reason})" for name, reason in self._absent.items())
            if not pass_over:
                raise InputError(f"cannot check contamination against: {reasons}; say where these tasks are")
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

    def clean(self, pairs: Iterable[PreferencePair]) -> Iterator[PreferencePair]:
        """The pairs that stay; one is held at a time."""
        for pair in pairs:
            shared = bool(self.find(pair))
            self.contaminated += shared
            self.dropped += shared and self._drop
            if not (shared and self._drop):
                yield pair

    def report(self) -> dict[str, Any]:
        """Per benchmark its file, its tasks, and the pairs that share something with it; and what was not there."""
        benchmarks: dict[str, dict[str, Any]] = {}
        for name, path in self._files.items():
            overlap = self.overlaps[name]
            about = {"file": path.name, "sha256": file_digest(path), "tasks": overlap.tasks, "pairs": overlap.pairs}
            shown = {"examples": overlap.examples, "overlapping": sorted(overlap.overlapping)}
            benchmarks[name] = about | dict(overlap.kinds) | shown
        return {"pairs": self.contaminated, "dropped": self.dropped, "benchmarks": benchmarks, "absent": self._absent}

    def write_report(self, path: Path) -> None:
        """Write the report as JSON."""
        with atomic_writer(path) as file:
            file.write(json.dumps(self.report(), indent=2, ensure_ascii=False) + "\n")


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _runs(words: Sequence[str]) -> Iterator[int]:
    # Of 64 bits, and salted anew in every process: they never leave it. Two runs share one once in 10^13 look-ups.
    return (hash(" ".join(words[start : start + RUN])) for start in range(len(words) - RUN + 1))


def _forms(code: str) -> Iterator[int]:
    return (hash(form) for form, size in solution_forms(code) if size >= FORM)
