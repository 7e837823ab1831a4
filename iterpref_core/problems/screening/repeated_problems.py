"""Repeated problems: problems of several sets are compared with each other and with benchmarks.

Sets of problems are collections of one another. A problem repeats an earlier one for the first of these reasons:

- `prompt`: the statements are the same, in their exact form (`records.statement`);
- `program`: the function that the tests call, or the script, is the other's, up to all names and layout, and not short;
- `near_prompt`: the statements are nearly the same. A sentence that more than three statements share is an instruction,
  and no part of the task.

A name is no reason: two problems of one name get different ones.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from iterpref_core.problems.screening.contamination import FORM, Decontamination
from iterpref_core.problems.screening.near_duplicates import NearDuplicates
from iterpref_core.programs.source_code.normal_form import entry_form
from iterpref_core.records import COMPOSED, Problem, take_name
from iterpref_core.records.errors import InputError
from iterpref_core.records.prompt_messages import prompt_text
from iterpref_core.records.statement import loose_words, statement_digest
from iterpref_core.storage.jsonl import atomic_writer, read_jsonl

NEAR = 0.8
"""The similarity of prompts from which on they are nearly the same."""
_SHOWN = 5
_SENTENCE = re.compile(r"[^.!?\n]+")
_SHARED = 3
"""The largest number of statements that may share a sentence of the task."""
_LONG = 4
"""The least number of words of a sentence that is looked at."""


@dataclass(frozen=True)
class CheckedProblems:
    """The outcome of a comparison.

    Attributes:
        counts: `problems`; `repeated/<reason>`; `contaminated`; `license/<name>`; with a file to write, `kept`, and of
            these `renamed`.
        findings: sentences about repetitions and overlaps, each with examples.
    """

    counts: dict[str, float]
    findings: list[str]


def check_problems(files: Sequence[Path], against: Sequence[str], out: Path | None = None) -> CheckedProblems:
    """Compare the problems of files with earlier ones and with benchmarks.

    Args:
        files: JSONL of problems.
        against: names of benchmarks, or paths of their files.
        out: JSONL for the problems that repeat no earlier one and overlap with no benchmark; not written by default.

    Raises:
        InputError: a file is absent, a line is broken, or a benchmark is not available.
    """
    if "heldout" in against:
        raise InputError("--against heldout: for problems, name the file with the held-out ones")
    benchmarks = Decontamination(against, files[0], drop=False)
    counts: Counter[str] = Counter(problems=0)
    licenses: Counter[str] = Counter()
    examples: defaultdict[str, list[str]] = defaultdict(list)
    earlier = _Earlier(_instructions(files))
    names: Counter[str] = Counter()
    with ExitStack() as stack:
        written = stack.enter_context(atomic_writer(out)) if out is not None else None
        for path in files:
            for problem in read_jsonl(path, Problem):
                counts["problems"] += 1
                licenses[problem.license or "not stated"] += 1
                where = f"{problem.task_id} ({path.name})"
                reason, partner = earlier.add(problem, where)
                contaminated = bool(benchmarks.find(problem.task_id, problem.prompt, problem.reference or ""))
                counts["contaminated"] += contaminated
                if reason:
                    counts[f"repeated/{reason}"] += 1
                    examples[reason].append(f"{where} = {partner}" if partner else where)
                    del examples[reason][_SHOWN:]
                if written is not None and not reason and not contaminated:
                    name = take_name(problem.task_id, names)
                    written.write(problem.model_copy(update={"task_id": name}).to_json() + "\n")
                    counts["kept"] += 1
                    counts["renamed"] += name != problem.task_id
    findings = [
        f"{counts[f'repeated/{reason}']} problems repeat an earlier one by {reason}, such as {', '.join(some)}"
        for reason, some in examples.items()
    ]
    for name, overlap in benchmarks.overlaps.items():
        if overlap.pairs:
            some = ", ".join(f"{example['pair']} = {example['task']}" for example in overlap.examples)
            findings.append(f"{overlap.pairs} problems overlap with {name}, such as {some}")
    named = {f"license/{name}": count for name, count in sorted(licenses.items())}
    return CheckedProblems({name: float(count) for name, count in (counts | named).items()}, findings)


def _instructions(files: Sequence[Path]) -> frozenset[int]:
    """Return the hashes of the sentences that more different statements share than a task would."""
    statements: set[str] = set()
    counts: Counter[int] = Counter()
    for path in files:
        for problem in read_jsonl(path, Problem):
            digest = statement_digest(problem.prompt)
            if digest not in statements:
                statements.add(digest)
                counts.update({key for key in map(_key, _sentences(problem)) if key is not None})
    return frozenset(key for key, count in counts.items() if count > _SHARED)


def _sentences(problem: Problem) -> list[str]:
    return [found.strip() for found in _SENTENCE.findall(prompt_text(problem.prompt)) if found.strip()]


def _key(sentence: str) -> int | None:
    """Return the hash of a sentence, which never leaves the process; None for a short one."""
    words = loose_words(sentence)
    return hash(" ".join(words)) if len(words) >= _LONG else None


class _Earlier:
    """The problems that were read, by everything that a later one may repeat.

    Args:
        instructions: hashes of sentences that are no part of a task.
    """

    def __init__(self, instructions: frozenset[int]) -> None:
        self._instructions = instructions
        # Digest of a statement, or hash of a function's normal form → the first problem that has it.
        self._first: dict[str | int, str] = {}
        self._near = NearDuplicates(NEAR)

    def add(self, problem: Problem, where: str) -> tuple[str, str]:
        """Add a problem. Return the reason why it repeats an earlier one, and that one; empty texts if it does not.

        The near partner of a prompt is not known.
        """
        reasons: dict[str | int, str] = {statement_digest(problem.prompt): "prompt"}
        is_near = False
        # Composed problems are all made of the same phrases, and of the same lines.
        if problem.source != COMPOSED:
            reasons |= dict.fromkeys(_long_form(problem), "program")
            sentences = _sentences(problem)
            task = [sentence for sentence in sentences if _key(sentence) not in self._instructions]
            is_near = not self._near.add(" ".join(task or sentences))
        repeated = [(reason, self._first[key]) for key, reason in reasons.items() if key in self._first]
        for key in reasons:
            self._first.setdefault(key, where)
        return next(iter(repeated), ("near_prompt" if is_near else "", ""))


def _long_form(problem: Problem) -> list[int]:
    """Return the hash of the form of the calls of a problem's tests, or of its script; none for a short one, or none.

    A helper that two references share, such as `is_prime`, makes them no one problem.
    """
    with suppress(SyntaxError):
        form, size = entry_form(problem.reference or "", problem.entry_point)
        return [hash(form)] if size >= FORM else []
    return []
