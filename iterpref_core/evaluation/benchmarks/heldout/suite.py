"""Run this project's own held-out and validation problems with all their tests."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from iterpref_core.execution import (
    REFERENCE_FACTOR,
    Admission,
    Program,
    check_tests,
    program_of,
    time_limit,
)
from iterpref_core.models.prompts.codeflow_prompts import draft_prompt
from iterpref_core.programs.answers.extraction import defines, extract_program
from iterpref_core.programs.source_code.tested_names import tested_names
from iterpref_core.records import AssertTest, BenchmarkName, ExecutionParams, InputError, IoTest, Problem, question
from iterpref_core.storage.jsonl import read_jsonl

from ..benchmark import Benchmark, BenchmarkPrompt, EvaluationSetting, PromptMode

END_OF_TEXT = "<|endoftext|>"
MAIN = "\nif __name__"


def open_suite(name: BenchmarkName, setting: EvaluationSetting) -> "Heldout":
    """Open the benchmark of a split."""
    return Heldout(name, setting.problems, setting.params.execution)


class Heldout(Benchmark[Problem]):
    """Problems of one split; `heldout` for results, `validation` for choosing anything.

    A program has at least the common CPU seconds, and at least `REFERENCE_FACTOR` times the seconds of the problem's
    reference.

    Raises:
        InputError: no usable problem of this split.
    """

    def __init__(self, split: BenchmarkName, problems: Path, execution: ExecutionParams) -> None:
        found = list(read_jsonl(problems, Problem, unique=True, split=split))
        for problem in found:
            check_tests(problem, problems)
        if not found:
            raise InputError(f"{problems}: no problem of split {split!r}; run stage problems or name another file")
        lines = "".join(f"{problem.to_json()}\n" for problem in found)
        # The digest of exactly these problems: other splits of the file may change without changing a result.
        sha256 = hashlib.sha256(lines.encode()).hexdigest()
        admission = Admission(execution.inside)
        tasks = {problem.task_id: problem for problem in admission.admit(found)}
        admission.tell(problems)
        super().__init__(split, (split, sha256), tasks, execution)
        self.identity = [execution.model_dump(mode="json", include={"environments"})]
        self.limits |= {"reference_factor": REFERENCE_FACTOR}

    def prompt(self, task: Problem, mode: PromptMode) -> BenchmarkPrompt:
        """Return the prompt of a draft, which is the same for all models.

        A model whose template opens reasoning gives the finished answer, as it is trained to.
        """
        del mode
        return BenchmarkPrompt(draft_prompt(task.prompt), private=task.own_code)

    def program(self, task: Problem, answer: str, mode: PromptMode) -> str:
        """Return the program in the answer, or ""."""
        del mode
        return extract_program(answer, task.entry_point, tested_names(task.tests)) or ""

    def candidate(
        self,
        task: Problem,
        code: str,
        reference_s: float | None,
    ) -> Iterator[Program]:
        """Yield one program with visible and hidden tests."""
        program = program_of(task, code)
        # A problem with a limit of its own was judged by that limit where it comes from.
        if task.time_limit_s is None and reference_s is not None:
            program = replace(program, cpu_s=time_limit(self.execution.cpu_s, reference_s))
        yield program

    def canonical_solution(self, task: Problem) -> str | None:
        """Return the problem's reference."""
        return task.reference

    def stops(self, mode: PromptMode) -> tuple[str, ...]:
        """Return the strings that follow a base model's program; a chat model ends by itself.

        Only strings that no requested program contains: a program that reads its input has a line `if __name__`.
        """
        if mode.instruct:
            return ()
        functions = all(_asks_for_function(task) for task in self.tasks.values())
        return (END_OF_TEXT, MAIN) if functions else (END_OF_TEXT,)

    def entry_point(self, task: Problem) -> str:
        """Return the name of the problem's function, if its reference, where there is one, defines it."""
        if task.reference is not None and not defines(task.reference, task.entry_point):
            return ""
        return task.entry_point

    def completion_prefix(self, task: Problem) -> str:
        """Return the prompt: of messages the last one."""
        return question(task.prompt)


def _asks_for_function(task: Problem) -> bool:
    """Return True if all that a problem's tests do is to call its function."""
    tests = (*task.tests, *task.hidden_tests)
    return bool(task.entry_point) and all(isinstance(test, IoTest | AssertTest) for test in tests)
