"""Held-out and validation benchmarks: this project's own problems of that split, run with all their tests."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from iterpref_core.config import Benchmark, ExecutionParams
from iterpref_core.errors import InputError
from iterpref_core.evaluation.answerer import Answerer
from iterpref_core.evaluation.program_runs import Journals, ProgramRun, name_of, own_solutions, run_all, single
from iterpref_core.evaluation.scores import Evaluated, GroundTruth, Provenance, make_entry
from iterpref_core.execution import (
    ENGINE,
    REFERENCE_FACTOR,
    Engine,
    check_tests,
    limits_of,
    open_executor,
    program_of,
    time_limit,
)
from iterpref_core.inference.answer_extraction import extract_code
from iterpref_core.inference.codeflow_prompts import draft_prompt
from iterpref_core.records import Problem, Sample
from iterpref_core.storage.jsonl import read_jsonl

HARNESS = ENGINE


def load_split(problems: Path, split: str) -> tuple[Problem, ...]:
    """The problems of one split, each with at least one test.

    Raises:
        InputError: the file cannot be read, has no problem of this split, or one without a test.
    """
    found = tuple(problem for problem in read_jsonl(problems, Problem, unique=True) if problem.split == split)
    if not found:
        raise InputError(f"{problems}: no problem of split {split!r}; run stage problems or name another file")
    for problem in found:
        check_tests(problem, problems)
    return found


def digest(problems: Sequence[Problem]) -> str:
    """SHA-256 of exactly these problems: other splits of the file may change without changing a result."""
    sha256 = hashlib.sha256()
    for problem in problems:
        sha256.update(problem.to_json().encode() + b"\n")
    return sha256.hexdigest()


class Heldout:
    """The benchmark on one machine: its problems, and the service that runs programs.

    Args:
        problems: JSONL of problems.
        cache: folder in which the verdicts on the references are kept.
        execution: limits and number of workers.
        journals: where is kept what this evaluation has run.
        split: which problems; `heldout` for results, `validation` for choosing anything.

    Raises:
        InputError: no usable problem of this split.
    """

    def __init__(
        self, problems: Path, cache: Path, execution: ExecutionParams, journals: Journals, split: str = "heldout"
    ) -> None:
        self.problems = load_split(problems, split)
        self._split, self._execution, self._cache, self._journals = split, execution, cache, journals
        self._digest = digest(self.problems)

    @property
    def task_ids(self) -> tuple[str, ...]:
        """All problems, in the order of the file."""
        return tuple(problem.task_id for problem in self.problems)

    def evaluate(
        self,
        benchmarks: Sequence[Benchmark],
        answerer: Answerer,
        *,
        instruct: bool,  # noqa: ARG002 - a draft's prompt is the same for all
    ) -> dict[Benchmark, Evaluated]:
        """Run the references, then ask the model for programs of every problem and run them."""
        with open_executor(self._execution) as executor:
            self._references(executor)
        prompts = [draft_prompt(problem.prompt) for problem in self.problems]
        private = {prompt for problem, prompt in zip(self.problems, prompts, strict=True) if problem.own_code}
        answers = answerer.answer(self._split, prompts, private=private)
        samples = tuple(
            Sample(task_id=problem.task_id, solution=extract_code(answer.text))
            for problem, given in zip(self.problems, answers, strict=True)
            for answer in given
        )
        truncated = [answer.truncated for given in answers for answer in given]
        return dict.fromkeys(benchmarks, self._score(samples, answerer.sampling, truncated))

    def score(self, benchmarks: Sequence[Benchmark], samples: Sequence[Sample]) -> dict[Benchmark, Evaluated]:
        """Run existing programs, which must cover every problem."""
        return dict.fromkeys(benchmarks, self._score(samples, None))

    def _score(
        self, samples: Sequence[Sample], sampling: dict[str, object] | None, truncated: Sequence[bool] = ()
    ) -> Evaluated:
        with open_executor(self._execution) as executor:
            references = self._references(executor)
            passing = {task_id: run for task_id, run in references.items() if run.verdict == "passed"}
            limits = {task_id: time_limit(self._execution.cpu_s, run.cpu_s) for task_id, run in passing.items()}
            runs = self._run(executor, samples, limits, "score")
            truth = {task_id: run.verdict for task_id, run in references.items()}
            provenance = Provenance(
                data=(self._split, self._digest),
                harness=HARNESS,
                limits=asdict(limits_of(self._execution)) | {"reference_factor": REFERENCE_FACTOR},
                isolation=executor.isolation,
                ground_truth=GroundTruth.of(truth.items()) if truth else None,
                sampling=sampling,
                truncated=truncated,
            )
        return Evaluated(make_entry(samples, runs, provenance), tuple(samples))

    def ground_truth_samples(self) -> tuple[Sample, ...]:
        """The references as samples.

        Raises:
            InputError: a problem has no reference.
        """
        for problem in self.problems:
            if problem.reference is None:
                raise InputError(f"problem {problem.task_id!r}: field 'reference' is missing; add it to the problems")
        return tuple(Sample(task_id=problem.task_id, solution=problem.reference) for problem in self.problems)

    def _run(
        self, executor: Engine, samples: Sequence[Sample], limits: Mapping[str, float], what: str
    ) -> list[ProgramRun]:
        """Run programs, each with the CPU seconds that its problem has in `limits`, or else the common ones."""
        problem_of = {problem.task_id: problem for problem in self.problems}
        candidates = (
            single(replace(program_of(problem_of[sample.task_id], sample), cpu_s=limits.get(sample.task_id)))
            for sample in samples
        )
        return run_all(
            executor,
            candidates,
            [name_of(sample) for sample in samples],
            what=f"{self._split}: {what}",
            identity=[*self._identity(executor), what, limits],
            journals=self._journals,
        )

    def _identity(self, executor: Engine) -> list[Any]:
        interpreters = self._execution.model_dump(mode="json", include={"environments"})
        return [HARNESS, self._digest, asdict(limits_of(self._execution)), interpreters, executor.isolation]

    def _references(self, executor: Engine) -> dict[str, ProgramRun]:
        """How the problems' references fare, before any model's programs do; they have time to spare."""
        samples = [
            Sample(task_id=problem.task_id, solution=problem.reference)
            for problem in self.problems
            if problem.reference is not None
        ]
        if not samples:
            return {}
        limits = {sample.task_id: REFERENCE_FACTOR * self._execution.cpu_s for sample in samples}

        return own_solutions(
            self._split,
            samples,
            lambda references: self._run(executor, references, limits, "references"),
            self._cache,
            self._identity(executor),
        )
