"""LiveCodeBench (code generation, lite): contest problems by date, scored with its own semantics in our sandbox.

Each test is a process of its own, with the time limit that the benchmark gives a test. What differs from the
benchmark's own runner is told in docs/livecodebench.md.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from functools import lru_cache
from typing import Any

from iterpref_core.config import Benchmark, ExecutionParams, LiveCodeBenchParams
from iterpref_core.errors import InputError, RecordError
from iterpref_core.evaluation.answerer import Answerer
from iterpref_core.evaluation.livecodebench_data import LiveTask, LiveTests, find_live_data, read_tests
from iterpref_core.evaluation.livecodebench_prompts import STOP, SYSTEM, extract_program, make_prompt, style_of
from iterpref_core.evaluation.livecodebench_tests import PublishedTest, RightOutput, RightValue, parse_arguments
from iterpref_core.evaluation.program_runs import Candidate, Journals, ProgramRun, name_of, run_all
from iterpref_core.evaluation.scores import Entry, Evaluated, Provenance, make_entry
from iterpref_core.execution import ENGINE, Engine, Program, StdinTest, ValueTest, limits_of, open_executor
from iterpref_core.records import Sample

HARNESS = f"{ENGINE}+livecodebench"
LIMITS = {"cpu_s": 6.0, "wall_s": 30.0, "memory_mb": 4096, "output_kb": 8192, "file_mb": 64}
"""Of each test. The 6 seconds are the benchmark's, of real time there; CPU time depends less on the machine's load."""

_STARRED = (
    *("string", "re", "datetime", "collections", "heapq", "bisect", "copy", "math", "random", "statistics"),
    *("itertools", "functools", "operator", "io", "sys", "json"),
)
SETUP = "\n".join(
    [
        *(f"from {module} import *" for module in (*_STARRED, "builtins", "typing")),
        *(f"import {module}" for module in _STARRED),
        "sys.setrecursionlimit(50000)",
        "sys.set_int_max_str_digits(50000)",
        "quit = exit",
    ]
)
"""Names that every program finds, imported in the order of the benchmark's runner: later ones hide earlier ones."""


class LiveCodeBench:
    """The benchmark on one machine.

    Args:
        params: release and window.
        execution: engine, workers and whether weak isolation is accepted; the limits are the benchmark's.
        journals: where is kept what this evaluation has run.

    Raises:
        DataUnavailableError: the data cannot be had here.
        RecordError: it is broken.
    """

    def __init__(self, params: LiveCodeBenchParams, execution: ExecutionParams, journals: Journals) -> None:
        self._window, self._journals = params, journals
        self._execution = execution.model_copy(update=LIMITS)
        self._data = find_live_data(params)
        self._tasks = {task.task_id: task for task in self._data.tasks}

    @property
    def task_ids(self) -> tuple[str, ...]:
        """All tasks, in the order of the files."""
        return tuple(self._tasks)

    def evaluate(
        self, benchmarks: Sequence[Benchmark], answerer: Answerer, *, instruct: bool
    ) -> dict[Benchmark, Evaluated]:
        """Ask the model for programs of every task and score them; `instruct`: it has a chat template."""
        tokenizer = answerer.tokenizer
        style = style_of(tokenizer, instruct=instruct)
        asked = style == "OpenAIChat"  # the runner gives its stop text to models that it has generate, and to no server
        answers = answerer.answer(
            "livecodebench",
            [make_prompt(task, style, tokenizer) for task in self._tasks.values()],
            system=SYSTEM if asked else "",
            verbatim=not asked,
            stops=() if asked else (STOP,),
        )
        samples = [
            Sample(task_id=task_id, solution=extract_program(answer.text, style))
            for task_id, given in zip(self._tasks, answers, strict=True)
            for answer in given
        ]
        form = {"prompt": "instruct" if instruct else "completion", "protocol": f"lcb_runner, {style}"}
        sampling = answerer.sampling | form
        truncated = [answer.truncated for given in answers for answer in given]
        return dict.fromkeys(benchmarks, self._score(samples, sampling, truncated))

    def score(self, benchmarks: Sequence[Benchmark], samples: Sequence[Sample]) -> dict[Benchmark, Evaluated]:
        """Run existing programs, which must cover every task; a completion is a program too, since prompts are none."""
        return dict.fromkeys(benchmarks, self._score(samples, None))

    def _score(
        self, samples: Sequence[Sample], sampling: dict[str, Any] | None, truncated: Sequence[bool] = ()
    ) -> Evaluated:
        with open_executor(self._execution, preload=("numpy",)) as executor:
            runs = self._run(executor, samples)
            provenance = Provenance(
                data=(self._data.name, self._data.sha256),
                harness=HARNESS,
                limits=asdict(limits_of(self._execution)),
                isolation=executor.isolation,
                ground_truth=None,
                sampling=sampling,
                truncated=truncated,
            )
        entry = make_entry(samples, runs, provenance) | {"window": self._window.model_dump(mode="json")}
        entry["by_difficulty"] = self._groups(samples, runs, provenance, lambda task: task.difficulty)
        entry["by_platform"] = self._groups(samples, runs, provenance, lambda task: task.platform)
        return Evaluated(entry, tuple(samples))

    def ground_truth_samples(self) -> tuple[Sample, ...]:
        """There are none.

        Raises:
            InputError: always.
        """
        raise InputError("livecodebench publishes no solutions; --ground-truth works for the other benchmarks")

    def _run(self, executor: Engine, samples: Sequence[Sample]) -> list[ProgramRun]:
        return run_all(
            executor,
            self._candidates(samples),
            [name_of(sample) for sample in samples],
            what="livecodebench: score",
            identity=[HARNESS, self._data.sha256, LIMITS, executor.isolation],
            journals=self._journals,
        )

    def _candidates(self, samples: Iterable[Sample]) -> Iterator[Candidate]:
        tests_of = lru_cache(maxsize=1)(lambda task_id: read_tests(self._tasks[task_id]))
        for sample in samples:
            code = sample.solution if sample.solution is not None else sample.completion or ""
            tests: LiveTests = tests_of(sample.task_id)
            yield Candidate(programs_of(code, tests, self._tasks[sample.task_id]), len(tests.tests))

    def _groups(
        self,
        samples: Sequence[Sample],
        runs: Sequence[ProgramRun],
        provenance: Provenance,
        label: Callable[[LiveTask], str],
    ) -> dict[str, Entry]:
        """Scores by a property of the tasks; groups in which nothing could be scored are left out."""
        groups: defaultdict[str, list[int]] = defaultdict(list)
        for index, sample in enumerate(samples):
            groups[label(self._tasks[sample.task_id])].append(index)
        kept = ("n", "pass_at_1", "ci95", "pass_at_5", "pass_at_5_ci95", "pass_at_5_n", "errors")
        entries = {
            name: make_entry(
                [samples[i] for i in group],
                [runs[i] for i in group],
                replace(provenance, truncated=[cut for i in group for cut in provenance.truncated[i : i + 1]]),
            )
            for name, group in sorted(groups.items())
            if any(runs[i].verdict != "infra_error" for i in group)
        }
        return {
            name: {key: entry[key] for key in kept if key in entry} | {"tasks": list(entry["verdicts"])}
            for name, entry in entries.items()
        }


def programs_of(code: str, tests: LiveTests, task: LiveTask) -> Iterator[Program]:
    """A program with each of its task's tests.

    Raises:
        RecordError: a test is broken.
    """
    function = tests.function and (f"Solution().{tests.function}" if "class Solution" in code else tests.function)
    for number, test in enumerate(tests.tests, 1):
        try:
            yield _functional(code, test, function) if function else _console(code, test)
        except ValueError as error:
            raise RecordError(f"{task.where}: test {number}: not JSON ({error}); fetch the file again") from None


def _console(code: str, test: PublishedTest) -> Program:
    return Program(code, (StdinTest(test.input),), SETUP, judge=RightOutput(test.output))


def _functional(code: str, test: PublishedTest, function: str) -> Program:
    arguments, expected = parse_arguments(test.input), parse_arguments(test.output)
    if len(expected) != 1:
        raise ValueError("its output is not one value")
    return Program(code, (ValueTest(function, arguments),), SETUP, judge=RightValue(expected[0]))
