"""BigCodeBench, Full and Hard × Complete and Instruct: prompts, programs out of answers, entries of results.json."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from iterpref_core.config import Benchmark, ExecutionParams
from iterpref_core.errors import ConfigError
from iterpref_core.evaluation.answerer import Answerer
from iterpref_core.evaluation.begun_answers import (
    INSTRUCTION,
    STOPS,
    begin_answer,
    continuation,
    describe_form,
    fenced,
)
from iterpref_core.evaluation.bigcodebench_data import BigCodeBenchTask, Subset, find_data
from iterpref_core.evaluation.bigcodebench_environment import contents_digest, find_python, missing_libraries
from iterpref_core.evaluation.bigcodebench_programs import (
    HARNESS,
    INTERCEPTION,
    LIMITS,
    SETUP,
    calibrated,
    ground_truth,
    open_harness,
    program_of,
)
from iterpref_core.evaluation.program_runs import Journals, ProgramRun, name_of, own_solutions, run_all, single
from iterpref_core.evaluation.sanitizing import sanitize_all
from iterpref_core.evaluation.scores import Evaluated, GroundTruth, Provenance, make_entry
from iterpref_core.execution import Engine
from iterpref_core.records import Sample

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Split = Literal["complete", "instruct"]

PROTOCOL = "bigcodebench 0.2.5"
COMPLETION_STOPS = (*STOPS, "\ndef ", "\nclass ", "\nimport ", "\nfrom ", "\nassert ")
"""Where bigcodebench (`provider.utility`) stops a model that continues a program; a chat model's are `STOPS` alone."""


def subset_of(benchmark: Benchmark) -> Subset:
    """The tasks of a benchmark.

    >>> subset_of("bigcodebench-hard-complete")
    'hard'
    """
    return cast("Subset", benchmark.split("-")[1])


def split_of(benchmark: Benchmark) -> Split:
    """What a benchmark shows of its tasks: a docstring to complete, or an instruction."""
    return cast("Split", benchmark.split("-")[2])


def make_prompt(
    task: BigCodeBenchTask, split: Split, *, instruct: bool, tokenizer: "PreTrainedTokenizerBase | None" = None
) -> str:
    """What the model is asked.

    A chat model with weights here goes on with an answer that is begun for it (all that it reads is returned); one
    behind an endpoint, without `tokenizer`, is asked the same. Other models continue the task's own text, verbatim.
    """
    if not instruct:
        return task.complete_prompt
    instructed = f"{INSTRUCTION}\n{task.instruct_prompt.strip()}\n"
    message = fenced(task.complete_prompt) if split == "complete" else instructed
    return message if tokenizer is None else begin_answer(tokenizer, message)


def make_solution(task: BigCodeBenchTask, answer: str, *, instruct: bool, begun: bool = False) -> str:
    """The text that bigcodebench's `sanitize` takes the program out of: a continuation stands behind its prompt.

    That of a chat is the answer alone; an endpoint's chat stays as it is.
    """
    if instruct:
        return continuation(answer, STOPS) if begun else answer
    return task.complete_prompt + continuation(answer, COMPLETION_STOPS)


class BigCodeBench:
    """One subset on one machine.

    Args:
        subset: which tasks.
        cache: folder for data and the verdicts on the benchmark's own solutions.
        execution: engine and workers; the limits are the benchmark's own.
        journals: where is kept what this evaluation has run.

    Raises:
        DataUnavailableError: the data or the environment of `make bigcodebench` cannot be had here.
    """

    def __init__(self, subset: Subset, cache: Path, execution: ExecutionParams, journals: Journals) -> None:
        self.data = find_data(subset, cache)
        self._python = find_python()
        self._cache, self._execution, self._journals = cache, execution, journals
        self._task_of = {task.task_id: task for task in self.data.tasks}

    @property
    def task_ids(self) -> tuple[str, ...]:
        """All tasks, in the order of the file."""
        return tuple(self._task_of)

    def evaluate(
        self, benchmarks: Sequence[Benchmark], answerer: Answerer, *, instruct: bool
    ) -> dict[Benchmark, Evaluated]:
        """Score the benchmark's own solutions, then ask the model for programs of every task and split and score them.

        `instruct`: it has a chat template.
        """
        with open_harness(self._execution, self._python) as executor:
            self._ground_truth(executor)
        return {benchmark: self._evaluate(benchmark, answerer, instruct=instruct) for benchmark in benchmarks}

    def score(self, benchmarks: Sequence[Benchmark], samples: Sequence[Sample]) -> dict[Benchmark, Evaluated]:
        """Score existing programs, as they are; they must cover every task. The splits differ only in their prompts."""
        evaluated = self._score(samples, None)
        return dict.fromkeys(benchmarks, evaluated)

    def ground_truth_samples(self) -> tuple[Sample, ...]:
        """The benchmark's own solutions as samples."""
        return tuple(Sample(task_id=task.task_id, solution=ground_truth(task)) for task in self.data.tasks)

    def _evaluate(self, benchmark: Benchmark, answerer: Answerer, *, instruct: bool) -> Evaluated:
        tasks, split = self.data.tasks, split_of(benchmark)
        if subset_of(benchmark) != self.data.subset:
            raise ConfigError(f"{benchmark} is not scored on BigCodeBench {self.data.subset}")
        if split == "instruct" and not instruct:
            reason = "BigCodeBench-Instruct is for chat models, and this one has no chat template; ask for Complete"
            return Evaluated({"available": False, "reason": reason}, ())
        tokenizer = answerer.tokenizer
        begun = instruct and tokenizer is not None
        answers = answerer.answer(
            benchmark,
            [make_prompt(task, split, instruct=instruct, tokenizer=tokenizer) for task in tasks],
            verbatim=begun or not instruct,
            stops=STOPS if instruct else COMPLETION_STOPS,
        )
        given = [(task, answer) for task, several in zip(tasks, answers, strict=True) for answer in several]
        texts = [
            (make_solution(task, answer.text, instruct=instruct, begun=begun), task.entry_point)
            for task, answer in given
        ]
        solutions = sanitize_all(
            texts, self._execution, "bigcodebench.sanitize", f"{benchmark}: sanitize", self._python
        )
        samples = [
            Sample(task_id=task.task_id, solution=text) for (task, _), text in zip(given, solutions, strict=True)
        ]
        sampling = answerer.sampling | describe_form(PROTOCOL, instruct=instruct, begun=begun)
        return self._score(samples, sampling, [answer.truncated for _, answer in given])

    def _score(
        self, samples: Sequence[Sample], sampling: dict[str, object] | None, truncated: Sequence[bool] = ()
    ) -> Evaluated:
        whole = [sample if sample.solution is not None else self._completed(sample) for sample in samples]
        with open_harness(self._execution, self._python) as executor:
            truth = self._ground_truth(executor)
            runs = self._run(executor, whole, "score")
            provenance = Provenance(
                data=(self.data.name, self.data.sha256),
                harness=HARNESS,
                limits=dict(LIMITS),
                isolation=executor.isolation,
                ground_truth=GroundTruth.of((task_id, run.verdict) for task_id, run in truth.items()),
                sampling=sampling,
                truncated=truncated,
            )
        entry = make_entry(whole, runs, provenance)
        entry["ground_truth"]["reasons"] = self._reasons(truth)
        return Evaluated(entry, tuple(whole))

    def _completed(self, sample: Sample) -> Sample:
        prompt = self._task_of[sample.task_id].complete_prompt
        return Sample(task_id=sample.task_id, solution=prompt + (sample.completion or ""))

    def _reasons(self, truth: dict[str, ProgramRun]) -> dict[str, str]:
        """Why the benchmark's own solutions fail here, by task_id."""
        missing = missing_libraries(self.data.tasks, self._python)
        return {
            task_id: f"library not installed: {', '.join(missing[task_id])}" if task_id in missing else run.feedback
            for task_id, run in truth.items()
            if run.verdict != "passed"
        }

    def _run(self, executor: Engine, samples: Sequence[Sample], what: str) -> list[ProgramRun]:
        tasks = [self._task_of[sample.task_id] for sample in samples]
        return run_all(
            executor,
            (
                single(program_of(task, calibrated(task, sample.solution or "")))
                for task, sample in zip(tasks, samples, strict=True)
            ),
            [name_of(sample) for sample in samples],
            what=f"bigcodebench-{self.data.subset}: {what}",
            identity=self._identity(executor),
            journals=self._journals,
        )

    def _identity(self, executor: Engine) -> list[Any]:
        return [
            *(HARNESS, self.data.sha256, LIMITS, SETUP, INTERCEPTION, executor.isolation),
            contents_digest(self._python),
        ]

    def _ground_truth(self, executor: Engine) -> dict[str, ProgramRun]:
        """How the benchmark's own solutions fare here."""
        return own_solutions(
            f"bigcodebench-{self.data.subset}",
            self.ground_truth_samples(),
            lambda samples: self._run(executor, samples, "ground truth"),
            self._cache,
            self._identity(executor),
        )
