"""HumanEval, HumanEval+, MBPP and MBPP+ as EvalPlus scores them: prompts, programs, entries of results.json.

A data set is asked and run once: its base tests make `humaneval`, base and plus tests together `humaneval+`.
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from iterpref_core.evaluation.evalplus_data import DatasetName, EvalPlusData, EvalPlusTask, find_data
from iterpref_core.evaluation.evalplus_oracle import Oracle, prepare_oracle
from iterpref_core.evaluation.evalplus_programs import (
    HARNESS,
    LIMITS,
    RULES,
    UNJUDGED,
    candidate_of,
    open_harness,
    without_plus,
)
from iterpref_core.evaluation.program_runs import WINDOW, Journals, ProgramRun, name_of, own_solutions, run_all
from iterpref_core.evaluation.sanitizing import sanitize_all
from iterpref_core.evaluation.scores import Evaluated, GroundTruth, Provenance, make_entry
from iterpref_core.execution import Engine
from iterpref_core.execution.executor import LOOK_AHEAD
from iterpref_core.records import Sample

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SYSTEM = "You are a helpful assistant good at coding."
"""What EvalPlus tells chat models behind an endpoint (`evalplus.gen.util.openai_request`, 0.3.1)."""
PROTOCOL = "evalplus 0.3.1"


def dataset_of(benchmark: Benchmark) -> DatasetName:
    """The data set that a benchmark is scored on.

    >>> dataset_of("mbpp+")
    'mbpp'
    """
    match benchmark.rstrip("+"):
        case "humaneval" | "mbpp" as name:
            return name
    raise ConfigError(f"{benchmark} is no benchmark of EvalPlus")


def make_prompt(task: EvalPlusTask, *, instruct: bool, tokenizer: "PreTrainedTokenizerBase | None" = None) -> str:
    """What the model is asked.

    A chat model with weights here goes on with an answer that is begun for it (all that it reads is returned); one
    behind an endpoint, without `tokenizer`, is asked. Other models continue the task's own text, and a newline.
    """
    text = task.prompt.strip()
    if not instruct:
        return text
    return f"{INSTRUCTION}\n```python\n{text}\n```" if tokenizer is None else begin_answer(tokenizer, fenced(text))


def stops_of(dataset: DatasetName, *, instruct: bool) -> tuple[str, ...]:
    """Where EvalPlus ends a local model's answer."""
    if instruct:
        return (*STOPS, "\n```\n")
    from evalplus.provider.utility import extra_eos_for_direct_completion

    return (*STOPS, *extra_eos_for_direct_completion(dataset))


def make_solution(task: EvalPlusTask, answer: str, dataset: DatasetName, *, instruct: bool, begun: bool = False) -> str:
    """The text that EvalPlus takes the program out of.

    A continuation ends where EvalPlus would have stopped generating, and is put behind its prompt, unless that is a
    chat. An endpoint's chat stays as it is.
    """
    if instruct and not begun:
        return answer
    continued = continuation(answer, stops_of(dataset, instruct=instruct))
    return continued if instruct else task.prompt.strip() + "\n" + continued


class EvalPlus:
    """One data set on one machine.

    Args:
        dataset: which.
        cache: folder for data, expected results and the verdicts on the benchmark's own solutions.
        execution: engine and workers; the limits are EvalPlus's.
        journals: where is kept what this evaluation has run.

    Raises:
        DataUnavailableError: the data cannot be had here.
    """

    def __init__(self, dataset: DatasetName, cache: Path, execution: ExecutionParams, journals: Journals) -> None:
        self.data: EvalPlusData = find_data(dataset, cache)
        self._cache, self._execution, self._journals = cache, execution, journals
        self._place = {task.task_id: place for place, task in enumerate(self.data.tasks)}

    @property
    def task_ids(self) -> tuple[str, ...]:
        """All tasks, in the order of the file."""
        return tuple(self._place)

    def evaluate(
        self, benchmarks: Sequence[Benchmark], answerer: Answerer, *, instruct: bool
    ) -> dict[Benchmark, Evaluated]:
        """Score the benchmark's own solutions, then ask the model for programs of every task and score them.

        `instruct`: it has a chat template.
        """
        tasks = self.data.tasks
        with open_harness(self._execution) as executor:
            self._ground_truth(executor)
        tokenizer = answerer.tokenizer
        begun = instruct and tokenizer is not None
        answers = answerer.answer(
            self.data.name,
            [make_prompt(task, instruct=instruct, tokenizer=tokenizer) for task in tasks],
            system=SYSTEM if instruct and not begun else "",
            verbatim=begun,
            stops=stops_of(self.data.name, instruct=instruct),
        )
        given = [(task, answer) for task, several in zip(tasks, answers, strict=True) for answer in several]
        texts = [
            (make_solution(task, answer.text, self.data.name, instruct=instruct, begun=begun), task.entry_point)
            for task, answer in given
        ]
        solutions = sanitize_all(texts, self._execution, "evalplus.sanitize", f"{self.data.name}: sanitize")
        samples = [
            Sample(task_id=task.task_id, solution=text) for (task, _), text in zip(given, solutions, strict=True)
        ]
        sampling = answerer.sampling | describe_form(PROTOCOL, instruct=instruct, begun=begun)
        return self._score(benchmarks, samples, sampling, [answer.truncated for _, answer in given])

    def score(self, benchmarks: Sequence[Benchmark], samples: Sequence[Sample]) -> dict[Benchmark, Evaluated]:
        """Score existing programs, as they are; they must cover every task."""
        return self._score(benchmarks, [self._whole(sample) for sample in samples], None)

    def ground_truth_samples(self) -> tuple[Sample, ...]:
        """The benchmark's own solutions as samples."""
        return tuple(Sample(task_id=task.task_id, solution=task.canonical_program) for task in self.data.tasks)

    def _whole(self, sample: Sample) -> Sample:
        if sample.solution is not None:
            return sample
        prompt = self.data.tasks[self._place[sample.task_id]].prompt
        return Sample(task_id=sample.task_id, solution=prompt + (sample.completion or ""))

    def _score(
        self,
        benchmarks: Sequence[Benchmark],
        samples: Sequence[Sample],
        sampling: dict[str, Any] | None,
        truncated: Sequence[bool] = (),
    ) -> dict[Benchmark, Evaluated]:
        with open_harness(self._execution) as executor:
            truth = self._ground_truth(executor)
            runs = self._run(executor, samples, "score")
        results: dict[Benchmark, Evaluated] = {}
        for benchmark in benchmarks:
            if dataset_of(benchmark) != self.data.name:
                raise ConfigError(f"{benchmark} is not scored on {self.data.name}")
            seen = (lambda run: run) if benchmark.endswith("+") else without_plus
            provenance = Provenance(
                data=(self.data.version_name, self.data.sha256),
                harness=HARNESS,
                limits={**LIMITS, **RULES},
                isolation=executor.isolation,
                ground_truth=GroundTruth.of((task_id, seen(run).verdict) for task_id, run in truth.items()),
                sampling=sampling,
                truncated=truncated,
            )
            results[benchmark] = Evaluated(make_entry(samples, [seen(run) for run in runs], provenance), tuple(samples))
        return results

    def _run(self, executor: Engine, samples: Sequence[Sample], what: str) -> list[ProgramRun]:
        """What became of each sample by its base and plus tests. Run by task, so that its tests are prepared once."""
        oracle = self._oracle
        order = sorted(
            (index for index, sample in enumerate(samples) if oracle.has(sample.task_id)),
            key=lambda index: self._place[samples[index].task_id],
        )
        runs = run_all(
            executor,
            (candidate_of(oracle, samples[index]) for index in order),
            [name_of(samples[index]) for index in order],
            what=f"{self.data.name}: {what}",
            identity=self._identity(executor),
            journals=self._journals,
            window=max(WINDOW, 1 + LOOK_AHEAD * executor.places),
        )
        run_of = dict(zip(order, runs, strict=True))
        return [run_of.get(index, UNJUDGED) for index in range(len(samples))]

    @cached_property
    def _oracle(self) -> Oracle:
        return prepare_oracle(self.data, self._cache, self._execution)

    def _identity(self, executor: Engine) -> list[Any]:
        # What could not be judged may be tomorrow: its outcome is none to be remembered.
        unjudged = [task_id for task_id in self.task_ids if not self._oracle.has(task_id)]
        return [HARNESS, self.data.sha256, LIMITS, RULES, executor.isolation, unjudged]

    def _ground_truth(self, executor: Engine) -> dict[str, ProgramRun]:
        """How the benchmark's own solutions fare by the path that models' programs take."""
        return own_solutions(
            self.data.name,
            self.ground_truth_samples(),
            lambda samples: self._run(executor, samples, "ground truth"),
            self._cache,
            self._identity(executor),
        )
