"""Do the pairs contain what a benchmark will ask?

Runs of 13 words in common, as in Brown et al., "Language Models are Few-Shot Learners" (2020), appendix C;
a run that many tasks share says nothing. Shorter texts are found where they are the same: prompts but for case,
punctuation and blanks, programs but for blanks.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from iterpref_core.errors import RecordError
from iterpref_core.jsonl import parse_lines
from iterpref_core.records import PreferencePair
from iterpref_core.training.checks import Finding

RUN = 13
"""Words in common that count as overlap."""
COMMON = 10
"""A run that stands in more tasks than this is a benchmark's way of speaking, not a task."""
PROMPTS = ("prompt", "text", "complete_prompt", "instruct_prompt", "question_content")
SOLUTIONS = ("reference", "canonical_solution", "code")
"""Fields of our problems and of HumanEval(+), MBPP(+), BigCodeBench and LiveCodeBench."""
_WORD = re.compile(r"\w+")
_EXAMPLES = 3


@dataclass(frozen=True)
class BenchmarkTask:
    """What a task asks, in each form it is asked in, and its solutions."""

    name: str
    prompts: tuple[str, ...]
    solutions: tuple[str, ...]


@dataclass
class Overlap:
    """Pairs that share text with a benchmark, as `pair's task_id = task's name`.

    `prompts`, `solutions`: the pair's prompt or chosen program is a task's. `runs`: one of the two has 13 words in a
    row in common with a task.
    """

    tasks: int = 0
    prompts: list[str] = field(default_factory=list)
    solutions: list[str] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)

    def findings(self) -> Iterator[Finding]:
        """What is wrong, and what to do."""
        advice = "remove them, or results on that benchmark say nothing"
        if self.prompts:
            yield Finding(True, f"prompts of the benchmark: {_some(self.prompts)}; {advice}")
        if self.solutions:
            yield Finding(
                False, f"solutions of the benchmark: {_some(self.solutions)}; look whether these are its tasks"
            )
        if self.runs:
            yield Finding(False, f"{RUN} words in a row of the benchmark: {_some(self.runs)}; look at these pairs")


def read_benchmark(path: Path) -> Iterator[BenchmarkTask]:
    """Stream the tasks of a benchmark's JSONL file; of problems that belong to a split only the held-out ones.

    Raises:
        InputError: the file is absent.
        RecordError: a line is no JSON object, or has neither a prompt nor a solution.
    """
    for number, text in parse_lines(path):
        try:
            task = json.loads(text)
        except json.JSONDecodeError as error:
            raise RecordError(f"{path}:{number}: not valid JSON ({error.msg}); correct or remove this line") from None
        if not isinstance(task, dict) or not any(isinstance(task.get(name), str) for name in PROMPTS + SOLUTIONS):
            fields = ", ".join(PROMPTS + SOLUTIONS)
            raise RecordError(f"{path}:{number}: no text under any of the fields {fields}; give a benchmark's file")
        if task.get("split") in (None, "heldout"):
            prompts, solutions = (_texts(task, names) for names in (PROMPTS, SOLUTIONS))
            yield BenchmarkTask(str(task.get("task_id", f"{path.name}:{number}")), prompts, solutions)


def find_overlap(pairs: Iterable[PreferencePair], tasks: Iterable[BenchmarkTask]) -> Overlap:
    """Compare every pair's prompt and chosen program with every task; the pairs are streamed.

    Args:
        pairs: what would be trained on.
        tasks: what will be asked.
    """
    found = Overlap()
    prompts: dict[str, str] = {}
    solutions: dict[str, str] = {}
    runs: dict[str, list[str]] = {}
    for task in tasks:
        found.tasks += 1
        prompts |= {" ".join(_words(text)): task.name for text in task.prompts}
        solutions |= {_squeeze(text): task.name for text in task.solutions}
        # A benchmark that completes code gives the body alone as the solution.
        solutions |= {_squeeze(prompt + text): task.name for prompt in task.prompts for text in task.solutions}
        for run in {run for text in task.prompts + task.solutions for run in _runs(_words(text))}:
            runs.setdefault(run, []).append(task.name)
    rare = {run: names[0] for run, names in runs.items() if len(names) <= COMMON}
    for pair in pairs:
        asked = _words(pair.prompt)
        shared = (rare[run] for words in (asked, _words(pair.chosen)) for run in _runs(words) if run in rare)
        candidates = (
            (found.prompts, prompts.get(" ".join(asked))),
            (found.solutions, solutions.get(_squeeze(pair.chosen))),
            (found.runs, next(shared, None)),
        )
        for matches, name in candidates:
            if name is not None:
                matches.append(f"{pair.task_id} = {name}")
    return found


def _texts(task: dict[str, object], names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(text for name in names if isinstance(text := task.get(name), str) and text.strip())


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _runs(words: list[str]) -> Iterator[str]:
    return (" ".join(words[start : start + RUN]) for start in range(len(words) - RUN + 1))


def _squeeze(text: str) -> str:
    """Without the blanks that do not matter to whoever compares programs by eye; operators stay."""
    return " ".join(text.split())


def _some(matches: list[str]) -> str:
    more = len(matches) - _EXAMPLES
    return f"{len(matches)} pairs ({', '.join(islice(matches, _EXAMPLES))}{f' and {more} more' if more > 0 else ''})"
