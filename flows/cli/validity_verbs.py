"""Verbs on the validity of tests."""

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.path_options import input_option, output_option
from flows.cli.shared import BACKENDS, DEFAULT_PARAMS, JsonOption, ParamsOption, choose, override, show_result
from iterpref_core.config import load_params
from iterpref_core.errors import InputError

PANEL = "Validity of tests"


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    for verb in (quality, judge):
        app.command(rich_help_panel=PANEL)(verb)


def quality(
    problems: Annotated[Path, input_option("JSONL of problems.")],
    out: Annotated[Path | None, output_option("JSONL of the problems that are kept.")] = None,
    scores: Annotated[Path | None, output_option("JSONL of what was found for each problem.")] = None,
    min_coverage: Annotated[
        float | None, typer.Option(min=0, max=1, help="Drop problems whose tests cover less of the reference.")
    ] = None,
    min_mutation: Annotated[
        float | None, typer.Option(min=0, max=1, help="Drop problems with a lower mutation score.")
    ] = None,
    mutants: Annotated[int, typer.Option(min=1, help="Mutants of each reference, at most.")] = 30,
    seed: Annotated[int, typer.Option(min=0, help="Decides which mutants.")] = 0,
    params: ParamsOption = DEFAULT_PARAMS,
    json_: JsonOption = False,
) -> None:
    """Measure how strict problems' tests are: coverage of the references, and mutation score."""
    from iterpref_core.execution import open_executor
    from iterpref_core.validity.mutation_score import PRELOAD, QualityOptions, assess_tests

    options = QualityOptions(mutants, seed, min_coverage, min_mutation)
    with open_executor(load_params(params).execution, PRELOAD) as executor:
        show_result(assess_tests(problems, executor, options, scores=scores, out=out), json_)


def judge(
    problems: Annotated[Path, input_option("JSONL of problems.")],
    out: Annotated[Path, output_option("JSONL of the scores.")],
    sample: Annotated[int | None, typer.Option(min=1, help="Judge so many, drawn at random; all by default.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Decides which; by default validity.seed.")] = None,
    model: Annotated[str | None, input_option("The judge; by default validity.judge.", kind="path or name")] = None,
    backend: Annotated[str | None, typer.Option(help=f"How it is asked: {', '.join(BACKENDS)}.")] = None,
    base_url: Annotated[str | None, typer.Option(help="Of backend openai.")] = None,
    min_score: Annotated[
        int | None, typer.Option(min=1, max=5, help="Drop problems with a lower score in any criterion.")
    ] = None,
    kept: Annotated[Path | None, output_option("JSONL of the problems that are kept; not with --sample.")] = None,
    params: ParamsOption = DEFAULT_PARAMS,
    json_: JsonOption = False,
) -> None:
    """Have a model score problems' tests for accuracy, effectiveness and reasonableness; answers are kept."""
    from iterpref_core.inference.backend_factory import open_judge
    from iterpref_core.validity.test_judge import judge_file
    from tasks.common.paths import ANSWERS

    settings = load_params(params)
    name = model or settings.validity.judge
    if name is None:
        raise InputError("no judge: give --model, or name one in params.yaml as validity.judge")
    if backend is not None:
        choose("--backend", backend, BACKENDS)
    inference = override(settings.inference, {"backend": backend, "base_url": base_url})
    run = f"judge {out.resolve()}"
    chosen = settings.validity.seed if seed is None else seed
    with open_judge(name, inference, settings.budget, settings.codeflow.concurrency, ANSWERS, run) as opened:
        assert opened is not None
        found = judge_file(problems, opened, out, sample=sample, seed=chosen, min_score=min_score, kept=kept)
    show_result(found, json_)
