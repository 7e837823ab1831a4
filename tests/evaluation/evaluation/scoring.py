"""Scores of programs that a test writes, without a model and without a file."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from iterpref_core.evaluation.benchmarks.benchmark import Benchmark, EvaluationSetting
from iterpref_core.evaluation.benchmarks.harness import open_harness
from iterpref_core.evaluation.benchmarks.suites import open_benchmark
from iterpref_core.evaluation.evaluation.answer_reading import FoundPrograms, read_programs
from iterpref_core.evaluation.evaluation.sampler import Sampler
from iterpref_core.evaluation.evaluation.scores import summarize
from iterpref_core.records import Sample
from iterpref_core.records.config import Benchmark as BenchmarkName
from iterpref_core.records.results import Incomplete, Measured


def measuring(setting: EvaluationSetting, *benchmarks: BenchmarkName, **values: Any) -> EvaluationSetting:
    """The setting for these benchmarks, with other values in its section `evaluation`."""
    evaluation = setting.params.evaluation.model_copy(update={"benchmarks": benchmarks, **values})
    return replace(setting, params=setting.params.model_copy(update={"evaluation": evaluation}))


def score(benchmark: Benchmark[Any], samples: Sequence[Sample], cache: Path) -> dict[str, Any]:
    """The result of samples that are whole programs, as it stands in results.json."""
    tasks = [benchmark.tasks[sample.task_id] for sample in samples]
    programs = [sample.solution or "" for sample in samples]
    found = FoundPrograms(tasks, programs, programs)
    with open_harness(benchmark, cache) as harness:
        runs = harness.run(found.samples)
    return summarize(benchmark, found, runs).to_json()


def ask(benchmark: Benchmark[Any], sampler: Sampler, cache: Path) -> tuple[Measured | Incomplete, list[Sample]]:
    """The result of a model on a benchmark, and the programs behind it."""
    with open_harness(benchmark, cache) as harness:
        found = read_programs(benchmark, sampler.answer(benchmark))
        return summarize(benchmark, found, harness.run(found.samples, found.truncated)), found.samples


def asked(name: BenchmarkName, sampler: Sampler, setting: EvaluationSetting) -> dict[str, Any]:
    """The result of a model on a benchmark, as it stands in results.json."""
    result, _ = ask(open_benchmark(name, setting), sampler, setting.cache)
    return result.to_json()
