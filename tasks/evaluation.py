"""Stage `evaluation`, once per model."""

import json
import os

from iterpref_core.records import BENCHMARKS, ModelResults, Params, metric_name
from iterpref_core.storage.jsonl import atomic_writer

from .paths import ANSWERS, PROBLEMS, RESULTS, WORK, model_path, pass_at_1_path


def check(params: Params, _model: str) -> None:
    """Refuse settings that this stage cannot take, before any stage has run.

    Raises:
        InputError: vLLM is not installed, and `evaluation.backend` names it; or a benchmark's copy that the
            environment names is not there.
    """
    from iterpref_core.problems.screening.benchmark_files import find_benchmark

    for name in params.evaluation.benchmarks:
        data = BENCHMARKS[name].data
        if data is not None and os.environ.get(data.variable):
            find_benchmark(data)
    if params.evaluation.backend == "vllm":
        from iterpref_core.models.inference.vllm_server import find_vllm

        find_vllm()


def run(params: Params, model: str) -> ModelResults:
    """Measure one model on every benchmark."""
    from iterpref_core.evaluation.benchmarks.benchmark import EvaluationSetting
    from iterpref_core.evaluation.evaluation.model_evaluation import evaluate_model

    results = evaluate_model(
        name=model,
        model=model_path(model),
        setting=EvaluationSetting(params, PROBLEMS, WORK / "evaluation"),
        out=RESULTS / model,
        answers=ANSWERS,
        prompt=params.model.debugger_format if model == "debugger" else params.model.student_format,
    )
    # `dvc exp show` compares this small file; the report reads the whole results.
    scores = {metric_name(name): result.pass_at_1 for name, result in results.measured.items()}
    with atomic_writer(pass_at_1_path(model)) as file:
        json.dump(scores, file, indent=2)
    return results
