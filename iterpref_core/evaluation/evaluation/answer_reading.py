"""Answer reading: find the programs in a model's answers to a benchmark, and count the answers without one."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from iterpref_core.evaluation.benchmarks.benchmark import Benchmark, ProgramRun, PromptMode
from iterpref_core.evaluation.evaluation.found_programs import FoundPrograms
from iterpref_core.evaluation.evaluation.sampler import Answers
from iterpref_core.evaluation.evaluation.sanitizing import MAX_LINES, sanitize_all
from iterpref_core.models.inference.backend import QUIET_SHARE, Completion
from iterpref_core.programs.answers.extraction import before_end_token, defines, lacks_program, without_first_token
from iterpref_core.programs.answers.reasoning import without_reasoning

logger = logging.getLogger(__name__)

_NO_PYTHON = ("syntax_error", "truncated")
"""Verdicts on programs that Python cannot read, so that nobody can tell what they define."""


@dataclass(frozen=True)
class ReadAnswers:
    """The programs in texts, in order.

    Attributes:
        programs: one for each text; empty for a text without a program.
        reasoned: texts from which reasoning was removed, before a benchmark's own sanitizer saw them.
        not_sanitized: texts that were too long for that sanitizer.
    """

    programs: tuple[str, ...]
    reasoned: int = 0
    not_sanitized: int = 0

    @property
    def counts(self) -> dict[str, int]:
        """Return the counts for results.json, without those that are 0."""
        counted = {"reasoning_removed": self.reasoned, "not_sanitized": self.not_sanitized}
        return {name: count for name, count in counted.items() if count}


def read_programs(benchmark: Benchmark[Any], answers: Answers) -> FoundPrograms:
    """Return the programs in a model's answers to a benchmark."""
    mode = answers.mode
    answered = []
    missing = []
    for task, answer in answers.by_task:
        if answer.missing:
            missing.append((task, answer.missing))
        else:
            answered.append((task, answer))
    texts = [(task, answer.text) for task, answer in answered]
    read = read_texts(benchmark, texts, mode)
    truncated = []
    for (_, answer), program in zip(answered, read.programs, strict=True):
        truncated.append(_is_cut(benchmark, answer, program, mode))
    return FoundPrograms(
        tasks=[task for task, _ in answered],
        texts=[text for _, text in texts],
        programs=read.programs,
        truncated=truncated,
        missing=missing,
        counts=read.counts,
        sampling=_describe_sampling(benchmark, answers, read),
        tokens=answers.tokens,
        cost_usd=answers.cost_usd,
    )


def _describe_sampling(benchmark: Benchmark[Any], answers: Answers, read: ReadAnswers) -> dict[str, Any]:
    """Return how the model was asked, as it stands in results.json."""
    if not benchmark.protocol:
        return dict(answers.sampling)
    notes = [benchmark.protocol, benchmark.mode_name(answers.mode)]
    if read.reasoned:
        notes.append("reasoning removed")
    notes += [f"{name} {value}" for name, value in answers.sampling.get("request", {}).items()]
    notes += answers.sampling.get("adaptations", ())
    form = "instruct" if answers.mode.instruct else "completion"
    return {**answers.sampling, "prompt": form, "protocol": ", ".join(notes)}


def read_texts(
    benchmark: Benchmark[Any],
    texts: Sequence[tuple[Any, str]],
    mode: PromptMode,
) -> ReadAnswers:
    """Return the programs in texts that answer a benchmark's tasks.

    If the benchmark has a sanitizer of its own, a chat model's reasoning is removed first.

    Args:
        benchmark: the suite.
        texts: (task, text).
        mode: the mode in which the model was asked.
    """
    texts = [(task, without_first_token(text)) for task, text in texts]
    if benchmark.sanitizer is None:
        return ReadAnswers(tuple(benchmark.program(task, text, mode) for task, text in texts))
    reasoned = 0
    named = []
    for task, text in texts:
        # EvalPlus's sanitizer would take a draft within `<think>…</think>` for the program.
        answer = without_reasoning(text) if mode.instruct else text
        reasoned += answer != text
        program = benchmark.program(task, answer, mode)
        named.append((before_end_token(program, task.entry_point), task.entry_point))
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
            f"{len(named):,}",
            MAX_LINES,
            benchmark.sanitizer.module,
        )
    return ReadAnswers(sanitized.programs, reasoned, sanitized.not_sanitized)


def _is_cut(benchmark: Benchmark[Any], answer: Completion, program: str, mode: PromptMode) -> bool:
    """Return True if a limit of tokens has cut the program, and not the text that a base model writes behind it.

    A base model goes on behind its program up to the limit. A sanitizer may leave out the line that was cut: where
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
    """Return how many programs failed because there was none, or not the one asked for; say so where they are many.

    Args:
        benchmark: the suite.
        found: the texts, and the program in each.
        runs: the outcome of each program.

    Returns:
        `no_program`: texts without a program; `empty`: those of them that are empty; `no_entry_point`: programs that do
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
    _say(
        benchmark.name,
        counts["no_program"],
        len(runs),
        f"hold no program ({counts['empty']:,} are empty)",
    )
    _say(
        benchmark.name,
        counts["no_entry_point"],
        len(runs),
        "do not define the function that their task asks for",
    )
    return counts


def _say(benchmark: str, count: int, total: int, description: str) -> None:
    if count > QUIET_SHARE * total:
        logger.warning("%s: %s of %s answers %s", benchmark, f"{count:,}", f"{total:,}", description)
