"""Verbs that execute and score."""

import json
from pathlib import Path
from typing import Annotated

import typer

from iterpref_core.cli.path_options import input_option, output_option
from iterpref_core.cli.shared import (
    DEFAULT_PARAMS,
    JsonOption,
    ParamsOption,
    ProblemsOption,
    SetOption,
    override,
    read_params,
    show_result,
)
from iterpref_core.config import Benchmark, load_params
from iterpref_core.errors import InputError


def execute(
    problems: ProblemsOption,
    samples: Annotated[Path, input_option("JSONL of samples.")],
    out: Annotated[Path, output_option("Results, in the samples' order.")],
    params: ParamsOption = DEFAULT_PARAMS,
    json_: JsonOption = False,
) -> None:
    """Run samples against their problems' tests, isolated."""
    from iterpref_core.execution import execute_samples, open_executor

    with open_executor(load_params(params).execution) as executor:
        total = execute_samples(problems, samples, out, executor)
    show_result({"samples": total, "out": str(out)}, json_)


def evaluate(
    benchmark: Annotated[Benchmark, typer.Option(help="What to score on.")],
    out: Annotated[
        Path, output_option("Folder for results.json and samples/; other benchmarks in it stay.", kind="folder")
    ],
    model: Annotated[
        str | None, input_option("Folder or hub id of the model that answers.", kind="path or name")
    ] = None,
    samples: Annotated[Path | None, input_option("JSONL of samples to score instead of a model's.")] = None,
    ground_truth: Annotated[bool, typer.Option(help="Score the benchmark's own solutions instead.")] = False,
    problems: Annotated[Path, input_option("JSONL of problems, for heldout and validation.")] = Path(
        "data/problems.jsonl"
    ),
    limit: Annotated[int | None, typer.Option(min=1, help="The first tasks of the benchmark alone.")] = None,
    params: ParamsOption = DEFAULT_PARAMS,
    set_: SetOption = None,
    json_: JsonOption = False,
) -> None:
    """Score a model on one benchmark: samples, verdicts, pass@1 (and pass@5)."""
    from iterpref_core.cli.places import ANSWERS, WORK
    from iterpref_core.evaluation import evaluation as core

    settings = read_params(params, set_)
    setting = core.EvaluationSetting(
        problems, settings.evaluation.livecodebench, settings.execution, WORK / "evaluation", limit
    )
    if sum([model is not None, samples is not None, ground_truth]) != 1:
        raise InputError("give exactly one of --model, --samples and --ground-truth")
    if samples is not None:
        result = core.score_samples(samples, benchmark, setting, out)
    elif model is not None:
        chosen = override(settings.evaluation, {"benchmarks": (benchmark,)})
        asked = (settings.inference, settings.budget, settings.model.prompt, ANSWERS)
        result = core.evaluate_model(Path(model).name, model, chosen, setting, out, *asked)
    else:
        result = core.score_ground_truth(benchmark, setting, out)
    show_result(result, json_)


def gate(
    baseline: Annotated[
        Path, input_option("Folder of results, or a results.json: what to compare with.", kind="file or folder")
    ],
    candidate: Annotated[Path, input_option("The same of the model in question.", kind="file or folder")],
    benchmark: Annotated[
        list[str] | None, typer.Option(help="May be given several times; by default all that the baseline has.")
    ] = None,
    alpha: Annotated[float, typer.Option(min=0, max=1, help="Significance level over all benchmarks.")] = 0.05,
    params: ParamsOption = DEFAULT_PARAMS,
    json_: JsonOption = False,
) -> None:
    """Exit 1 if the candidate is significantly worse: one-sided paired test on the same tasks, Holm-corrected."""
    from iterpref_core.report.regression_gate import compare_with_baseline

    settings = load_params(params).evaluation
    found = compare_with_baseline(baseline, candidate, benchmark or (), alpha, settings.bootstrap, settings.seed)
    typer.echo(json.dumps(found.to_json(), indent=2) if json_ else "\n".join(found.lines()))
    if found.worse:
        raise typer.Exit(1)
