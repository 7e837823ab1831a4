"""Run stage `evaluation`, or the verb `evaluate`: measure one model on every benchmark."""

import json
from pathlib import Path
from typing import Any

from iterpref_core.records import ModelResults, Params, PromptFormat, metric_name
from iterpref_core.storage.jsonl import atomic_writer

from ..benchmarks.benchmark import EvaluationSetting
from .model_evaluation import evaluate_model


def run(
    params: Params,
    name: str,
    *,
    model: Path | str,
    out: Path,
    answers: Path,
    scores: Path | None = None,
    prompt: PromptFormat | None = None,
    fresh: bool = False,
    **where: Any,
) -> ModelResults:
    """Measure one model on every benchmark.

    Args:
        params: all parameters.
        name: the model's name in the results.
        model: its folder, or another name as for `evaluate_model`.
        out: the folder of its results.
        answers: SQLite file of answers.
        scores: JSON file of pass@1 by benchmark, which is small: `dvc exp show` compares it.
        prompt: the form of its prompts; by default that of the debugger for `debugger`, and the student's for others.
        fresh: ask again for answers that are kept.
        where: the problems and the folder of `EvaluationSetting`.
    """
    formats = {"debugger": params.model.debugger_format}
    prompt = prompt or formats.get(name, params.model.student_format)
    results = evaluate_model(name, model, EvaluationSetting(params, **where), out, answers, prompt, fresh=fresh)
    if scores:
        found = {metric_name(benchmark): result.pass_at_1 for benchmark, result in results.measured.items()}
        with atomic_writer(scores) as file:
            json.dump(found, file, indent=2)
    return results
