"""Run stage `evaluation`: measure one model on every benchmark."""

import json
from pathlib import Path
from typing import Any

from iterpref_core.models.inference.backend_factory import names_served
from iterpref_core.models.pretrained.fingerprint import model_fingerprint, served_fingerprint
from iterpref_core.records import ModelResults, Params, PromptFormat, metric_name
from iterpref_core.storage.jsonl import write_text

from ..benchmarks.benchmark import EvaluationSetting
from ..benchmarks.harness import open_harness
from ..benchmarks.suites import open_benchmark
from .answer_reading import read_programs
from .results_file import ResultsFolder
from .sampler import Sampler, open_sampler
from .scores import summarize


def evaluate_model(
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
    """Measure a model on benchmarks (stage `evaluation`).

    Args:
        params: all parameters.
        name: the model's name in the results.
        model: a checkpoint folder, a stage's folder that points at one or at a served model, a hub id, or the
            name of a model at the endpoint of `inference`.
        out: folder for results.json and samples/<benchmark>.jsonl.
        answers: SQLite file that keeps the model's answers.
        scores: JSON file of pass@1 by benchmark, which is small: `dvc exp show` compares it.
        prompt: the format of the model's prompts; by default that of the debugger for `debugger`, else the student's.
        fresh: ask again for answers that are kept.
        where: `problems`, `cache` and more of `EvaluationSetting`.

    Returns:
        The results of these benchmarks, as results.json has them.

    Raises:
        InputError: the model, the endpoint or the problems cannot be used.
        EndpointError: the endpoint could not be had; its answers so far are kept. An endpoint that
            fails for some prompts only raises no error.
        BudgetError: a cap is reached.
        DataUnavailableError: no benchmark has data here. If at least one has, the others are recorded as not
            available instead.
    """
    setting = EvaluationSetting(params, **where)
    prompt = prompt or (params.model.debugger_format if name == "debugger" else params.model.student_format)
    with open_sampler(model, params, answers, prompt, fresh=fresh) as sampler:
        # The fingerprint keeps results of different weights apart.
        if names_served(model, params.inference.backend):
            weights = served_fingerprint(str(model))
        else:
            weights = model_fingerprint(model)
        results = ask_benchmarks(sampler, setting, ResultsFolder(out, name, weights or None))
    if scores:
        found = {metric_name(benchmark): result.pass_at_1 for benchmark, result in results.measured.items()}
        write_text(scores, json.dumps(found, indent=2))
    return results


def ask_benchmarks(sampler: Sampler, setting: EvaluationSetting, results: ResultsFolder) -> ModelResults:
    """Ask a model each benchmark's tasks, run the programs in its answers, and write their scores.

    The harness is opened before the model is asked, so a failing harness costs no answer.
    """
    for name in setting.params.evaluation.benchmarks:
        with results.entry(name):
            benchmark = open_benchmark(name, setting)
            with open_harness(benchmark, setting.cache) as harness:
                found = read_programs(benchmark, sampler.answer(benchmark))
                runs = harness.run(found.samples, found.truncated)
                results.write(benchmark.name, summarize(harness, found, runs), found.samples)
    return results.of_this_run()
