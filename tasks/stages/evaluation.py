"""Stage `evaluation`, once for each model."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.paths import ANSWERS, INGESTED, METRICS, PROBLEMS, RESULTS, WORK, model_path

from .stage import ITEM, KEY, Stage
from .training import TRAINED

if TYPE_CHECKING:
    from iterpref_core.records import Params

MEASURED = ("base", "debugger", *TRAINED)
"""The models of the experiment: the student before training, the debugger, and the trained models."""


def check(params: "Params") -> None:
    """Refuse settings that this stage cannot take.

    Raises:
        InputError: vLLM is not installed, and `evaluation.backend` names it; a benchmark's copy that the environment
            names is not there, or a split has no problem.
        DataUnavailableError: of no benchmark the data can be had here.
    """
    from iterpref_core.evaluation.benchmarks.benchmark import EvaluationSetting
    from iterpref_core.evaluation.benchmarks.suites import check_some_benchmark
    from iterpref_core.problems.composition.problem_splits import has_problems
    from iterpref_core.problems.screening.benchmark_files import find_benchmark
    from iterpref_core.records import BENCHMARKS, InputError

    published = []
    for name in params.evaluation.benchmarks:
        data = BENCHMARKS[name].data
        if data is None and not has_problems(name, params.problems, INGESTED):
            raise InputError(
                f"{INGESTED}: no problem of the split {name}, where models are scored; give some of your problems "
                f'"split": "{name}" (docs/problems.md), or score on another benchmark'
            )
        if data is not None:
            published.append(name)
            if os.environ.get(data.variable):
                find_benchmark(data)
    if published == [*params.evaluation.benchmarks]:
        check_some_benchmark(EvaluationSetting(params, PROBLEMS, WORK))
    if params.evaluation.backend == "vllm":
        from iterpref_core.models.inference.vllm_server import find_vllm

        find_vllm()


def headline(model: str, metric: str) -> str | None:
    """Return the name of a model's pass@1 in the row of a command.

    MLflow draws the metrics of one prefix side by side: all models, in one section for each benchmark.
    """
    return f"{metric}/{model}" if metric.endswith("/pass_at_1") else None


def join(entry: dict[str, Any], objective: str) -> None:
    """Measure the model of a further objective."""
    entry["foreach"][objective] = str(model_path(objective))


STAGE = Stage(
    name="evaluation",
    work="iterpref_core.evaluation.evaluation.model_evaluation:evaluate_model",
    params=[
        "evaluation",
        "execution",
        "inference",  # of a debugger at an endpoint
        "-inference.concurrency",
        "-inference.price_prompt",
        "-inference.price_completion",
        "model.chat_template_kwargs",
        "model.prompt",
    ],
    reads={"model": Path(ITEM), "problems": PROBLEMS},
    writes={"out": RESULTS / KEY},
    untracked={"cache": WORK / "evaluation", "answers": ANSWERS},
    external=["evalplus", "measured", "python", "tokenizers", "torch", "transformers"],
    items=MEASURED,
    place=model_path,
    compared={"scores": METRICS / "evaluation" / f"{KEY}.pass_at_1.json"},
    card=True,
    check=check,
    headline=headline,
    scores_model=True,
    join=join,
)
