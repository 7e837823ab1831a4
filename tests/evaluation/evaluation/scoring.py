"""Scores of programs that a test writes, without a model and without a file."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from iterpref_core.evaluation.benchmarks.benchmark import Benchmark, EvaluationSetting
from iterpref_core.evaluation.evaluation.evaluation import Programs, measure
from iterpref_core.records import Sample
from iterpref_core.records.config import Benchmark as BenchmarkName


def measuring(setting: EvaluationSetting, *benchmarks: BenchmarkName, **values: Any) -> EvaluationSetting:
    """The setting for these benchmarks, with other values in its section `evaluation`."""
    evaluation = setting.params.evaluation.model_copy(update={"benchmarks": benchmarks, **values})
    return replace(setting, params=setting.params.model_copy(update={"evaluation": evaluation}))


def score(benchmark: Benchmark[Any], samples: Sequence[Sample], cache: Path) -> dict[str, Any]:
    """The result of samples that are whole programs, as it stands in results.json."""
    tasks = [benchmark.tasks[sample.task_id] for sample in samples]
    programs = [sample.solution or "" for sample in samples]
    return measure(benchmark, lambda: Programs(tasks, programs, programs), cache).result.to_json()
