"""Answer reading: find the programs in a model's answers to a benchmark, and count the answers without one."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from iterpref_core.evaluation.benchmarks.benchmark import Benchmark, ProgramRun, PromptMode
from iterpref_core.evaluation.evaluation.sanitizing import MAX_LINES, sanitize_all
from iterpref_core.models.inference.backend import QUIET_SHARE, Completion
from iterpref_core.programs.answers.extraction import defines, lacks_program
from iterpref_core.programs.answers.reasoning import without_reasoning
from iterpref_core.records.results import TokenCounts

logger = logging.getLogger(__name__)

_NO_PYTHON = ("syntax_error", "truncated")
"""Verdicts on programs that Python cannot read, so that nobody can tell what they define."""


@dataclass(frozen=True)
class ReadAnswers:
    """The programs in answers, in order.

    Attributes:
        programs: one for each answer; empty for an answer without a program.
        reasoned: answers from which reasoning was removed, before a benchmark's own sanitizer saw them.
        not_sanitized: answers that were too long for that sanitizer.
    """

    programs: tuple[str, ...]
    reasoned: int = 0
    not_sanitized: int = 0

    @property
    def counts(self) -> dict[str, int]:
        """Return the counts for results.json, without those that are 0."""
        counted = {"reasoning_removed": self.reasoned, "not_sanitized": self.not_sanitized}
        return {name: count for name, count in counted.items() if count}


def read_answers(
    benchmark: Benchmark[Any],
    answers: Sequence[tuple[Any, str]],
    mode: PromptMode,
) -> ReadAnswers:
    """Return the programs in answers.

    If the benchmark has a sanitizer of its own, a chat model's reasoning is removed first.

    Args:
        benchmark: the suite.
        answers: (task, text).
        mode: the mode in which the model was asked.
    """
    tasks = [task for task, _ in answers]
    original = [text for _, text in answers]
    texts = original
    if benchmark.sanitizer is not None and mode.instruct:
        # EvalPlus's sanitizer would take a draft within `<think>…</think>` for the program.
        texts = [without_reasoning(text) for text in original]
    reasoned = sum(text != before for text, before in zip(texts, original, strict=True))
    programs = [benchmark.program(task, text, mode) for task, text in zip(tasks, texts, strict=True)]
    if benchmark.sanitizer is None:
        return ReadAnswers(tuple(programs))
    named = [(program, task.entry_point) for task, program in zip(tasks, programs, strict=True)]
    sanitized = sanitize_all(
        named,
        benchmark.execution,
        benchmark.sanitizer,
        f"{benchmark.name}: sanitize",
    )
    if sanitized.not_sanitized:
        logger.warning(
            "%s: %s of %s answers are too long (over %s lines) for %s.sanitize; their programs are read as for heldout",
            benchmark.name,
            f"{sanitized.not_sanitized:,}",
            f"{len(programs):,}",
            MAX_LINES,
            benchmark.sanitizer.module,
        )
    return ReadAnswers(sanitized.programs, reasoned, sanitized.not_sanitized)


def is_cut(benchmark: Benchmark[Any], answer: Completion, program: str, mode: PromptMode) -> bool:
    """Return True if a limit of tokens has cut the program, and not what a base model writes behind it.

    A base model goes on behind its program up to the limit. A sanitizer may leave out the line that was cut: where
    there is one, and for a chat model, which would have ended by itself, a cut answer counts as a cut program.
    """
    if not answer.truncated or mode.instruct or benchmark.sanitizer is not None:
        return answer.truncated
    return answer.text.rstrip().endswith(program.rstrip())


def count_tokens(answers: Sequence[Completion]) -> TokenCounts:
    """Return the tokens of answers."""
    completion = sum(answer.completion_tokens for answer in answers)
    return TokenCounts(
        prompt=sum(answer.prompt_tokens for answer in answers),
        completion=completion,
        per_answer=completion / len(answers),
    )


def count_without_program(
    benchmark: Benchmark[Any],
    tasks: Sequence[Any],
    texts: Sequence[str],
    programs: Sequence[str],
    runs: Sequence[ProgramRun],
) -> dict[str, int]:
    """Return how many programs failed because there was none, or not the one asked for; say so where they are many.

    Args:
        benchmark: the suite.
        tasks: the task of each answer, or sample.
        texts: each of them as it came.
        programs: the program in each.
        runs: the outcome of each program.

    Returns:
        `no_program`: texts without a program; `empty`: those of them that are empty; `no_entry_point`: programs that do
        not define the function or class that their task asks for.
    """
    counts = {"empty": 0, "no_program": 0, "no_entry_point": 0}
    for task, text, program, run in zip(tasks, texts, programs, runs, strict=True):
        if run.verdict == "passed":
            continue
        entry_point = benchmark.entry_point(task)
        if lacks_program(program):
            counts["no_program"] += 1
            counts["empty"] += not text.strip()
        elif entry_point and run.verdict not in _NO_PYTHON and not defines(program, entry_point):
            counts["no_entry_point"] += 1
    _say(
        benchmark.name,
        counts["no_program"],
        len(programs),
        f"hold no program ({counts['empty']:,} are empty)",
    )
    _say(
        benchmark.name,
        counts["no_entry_point"],
        len(programs),
        "do not define the function that their task asks for",
    )
    return counts


def _say(benchmark: str, count: int, total: int, description: str) -> None:
    if count > QUIET_SHARE * total:
        logger.warning("%s: %s of %s answers %s", benchmark, f"{count:,}", f"{total:,}", description)
