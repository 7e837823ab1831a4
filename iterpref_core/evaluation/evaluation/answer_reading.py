"""Find the programs in a model's answers to a benchmark, and count the answers without one."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from iterpref_core.models.inference.backend import QUIET_SHARE, Completion
from iterpref_core.programs.answers.extraction import (
    before_end_token,
    defines,
    extract_program,
    lacks_program,
    without_first_token,
)
from iterpref_core.programs.answers.reasoning import without_reasoning
from iterpref_core.records import Sample

from ..benchmarks.benchmark import Benchmark, ProgramRun, PromptMode
from .sampler import Answers
from .sanitizing import MAX_LINES, sanitize_all

logger = logging.getLogger(__name__)

_NO_PYTHON = ("syntax_error", "truncated")
"""Verdicts on programs that Python cannot parse: what they define is unknown."""


@dataclass(frozen=True)
class FoundPrograms:
    """The programs to score, in order, and their texts.

    A missing text is only in `missing`, with its task.

    Attributes:
        tasks: the task of each program.
        texts: the model's answers, or the samples of a file, as they came.
        programs: the program in each text; empty for a text without one.
        truncated: for each text whether a limit of tokens has cut its program; None where that is not known.
        missing: (task, the reason why an answer to it is missing).
        counts: further counts of texts, for `Measurement.answers`.
        about: fields of `Measurement`: how a model was asked and the price, or which samples a file has.
    """

    tasks: Sequence[Any]
    texts: Sequence[str]
    programs: Sequence[str]
    truncated: Sequence[bool] | None = None
    missing: Sequence[tuple[Any, str]] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def samples(self) -> list[Sample]:
        """Return the programs as samples of their tasks."""
        found = zip(self.tasks, self.programs, strict=True)
        return [Sample(task_id=task.task_id, solution=program) for task, program in found]


def read_programs(benchmark: Benchmark[Any], answers: Answers) -> FoundPrograms:
    """Return the programs in a model's answers to a benchmark."""
    mode = answers.mode
    # Missing answers keep their reason; all others are read.
    answered = [(task, answer) for task, answer in answers.by_task if not answer.missing]
    programs, counts = read_texts(benchmark, [(task, answer.text) for task, answer in answered], mode)
    truncated = []
    for (_, answer), program in zip(answered, programs, strict=True):
        truncated.append(_is_cut(benchmark, answer, program, mode))
    about = dict(answers.about)
    if benchmark.protocol:
        form = "instruct" if mode.instruct else "completion"
        protocol = f"{benchmark.protocol}, {benchmark.mode_name(mode)}"
        about["sampling"] = {**about["sampling"], "prompt": form, "protocol": protocol}
    return FoundPrograms(
        tasks=[task for task, _ in answered],
        texts=[answer.text for _, answer in answered],
        programs=programs,
        truncated=truncated,
        missing=[(task, answer.missing) for task, answer in answers.by_task if answer.missing],
        counts=counts,
        about=about,
    )


def read_texts(
    benchmark: Benchmark[Any],
    texts: Sequence[tuple[Any, str]],
    mode: PromptMode,
) -> tuple[list[str], dict[str, int]]:
    """Return the programs in texts that answer a benchmark's tasks, in order, and counts of these texts.

    If the benchmark has a sanitizer of its own, a chat model's reasoning is removed first.

    Args:
        benchmark: the suite.
        texts: (task, text).
        mode: the mode of the questions.

    Returns:
        A program for each text, empty where there is none; and, where they are not 0, `reasoning_removed`: texts from
        which reasoning was removed, and `not_sanitized`: texts that were too long for the benchmark's sanitizer.
    """
    texts = [(task, without_first_token(text)) for task, text in texts]
    if benchmark.sanitizer is None:
        return [benchmark.program(task, text, mode) for task, text in texts], {}
    counts = Counter[str]()
    # Reasoning and text after an end token go before the sanitizer sees the answer.
    named = []
    for task, text in texts:
        # EvalPlus's sanitizer would take a draft within `<think>…</think>` for the program.
        answer = without_reasoning(text) if mode.instruct else text
        counts["reasoning_removed"] += answer != text
        program = benchmark.program(task, answer, mode)
        named.append((before_end_token(program, task.entry_point), task.entry_point))
    programs = sanitize_all(named, benchmark.execution, benchmark.sanitizer, f"{benchmark.name}: sanitize")
    # A text that is too long for the sanitizer is read by our own rule.
    for number, (text, entry_point) in enumerate(named):
        if programs[number] is None:
            counts["not_sanitized"] += 1
            programs[number] = extract_program(text, entry_point)
    if counts["not_sanitized"]:
        shares = f"{counts['not_sanitized']:,} of {len(named):,}"
        message = "%s: %s answers are too long (over %s lines) for %s.sanitize; their programs are read as for heldout"
        logger.warning(message, benchmark.name, shares, MAX_LINES, benchmark.sanitizer.module)
    return [program or "" for program in programs], dict(+counts)


def _is_cut(
    benchmark: Benchmark[Any],
    answer: Completion,
    program: str,
    mode: PromptMode,
) -> bool:
    """Return True if a limit of tokens has cut the program, and not the text that a base model writes after it.

    A base model continues after its program up to the limit. A sanitizer may leave out the line that was cut: where
    there is one, and for a chat model, which would have ended by itself, a cut answer counts as a cut program.
    """
    if not answer.truncated or mode.instruct or benchmark.sanitizer is not None:
        return answer.truncated
    return answer.text.rstrip().endswith(program.rstrip())


def count_without_program(
    benchmark: Benchmark[Any],
    found: FoundPrograms,
    runs: Sequence[ProgramRun],
) -> dict[str, int]:
    """Return how many texts have no program, or not the requested one; warn if they are many.

    Args:
        benchmark: the suite.
        found: the texts, and the program in each.
        runs: the outcome of each program.

    Returns:
        `no_program`: texts without a program; `empty`: the empty texts among these; `no_entry_point`: programs that do
        not define the function or class that their task asks for.
    """
    counts = {"empty": 0, "no_program": 0, "no_entry_point": 0}
    for task, text, program, run in zip(found.tasks, found.texts, found.programs, runs, strict=True):
        if run.verdict == "passed":
            continue
        entry_point = benchmark.entry_point(task)
        if lacks_program(program):
            counts["no_program"] += 1
            counts["empty"] += not text.strip()
        elif entry_point and run.verdict not in _NO_PYTHON and not defines(program, entry_point):
            counts["no_entry_point"] += 1
    said = {
        "no_program": f"hold no program ({counts['empty']:,} are empty)",
        "no_entry_point": "do not define the function that their task asks for",
    }
    for name, description in said.items():
        if counts[name] > QUIET_SHARE * len(runs):
            logger.warning(
                "%s: %s of %s answers %s", benchmark.name, f"{counts[name]:,}", f"{len(runs):,}", description
            )
    return counts
