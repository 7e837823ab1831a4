"""The verbs that execute and score."""

from pathlib import Path
from typing import Annotated, Any

import typer

from iterpref_core.records import BACKENDS, InputError

from .options import (
    BackendOption,
    BaseUrlOption,
    EnvironmentOption,
    FormOption,
    JsonOption,
    ParamsOption,
    SetOption,
    endpoint_values,
    input_file,
    input_path,
    output_file,
    output_folder,
    read_params,
    warn_of_demo_values,
)
from .printing import print_text, show_result, show_standings


def execute(
    problems: Annotated[
        Path, input_file(help="JSONL of problems: task_id, prompt, tests; also entry_point, hidden_tests, setup.")
    ],
    samples: Annotated[
        Path,
        input_path(
            help="Samples: JSONL of task_id and solution, or completion, which goes on with the prompt; or what "
            "EvalPlus, bigcode-evaluation-harness, lm-evaluation-harness, LiveCodeBench or NeMo-Skills wrote."
        ),
    ],
    out: Annotated[
        Path,
        output_file(
            help="JSONL to write results to, in the order of the samples: task_id, sample, verdict, feedback, "
            "tests_passed, tests_total, isolation, inside."
        ),
    ],
    environment: EnvironmentOption = None,
    set_: SetOption = None,
    params_file: ParamsOption = None,
    json_: JsonOption = False,
) -> None:
    """Run samples against their problems' tests, isolated, and count the verdicts.

    Exit status 1: no sample could be judged (infra_error).
    """
    from iterpref_core.execution import execute_samples, open_executor

    execution = read_params(set_, params_file, environments=environment, problems=problems).execution
    with open_executor(execution) as executor:
        counts = execute_samples(problems, samples, out, executor, execution.inside)
    result = {"samples": counts.samples, "verdict": dict(counts.verdicts.most_common()), "inside": counts.inside}
    if counts.infra_error:
        result["infra_error"] = counts.infra_error
    show_result({**result, "out": str(out)}, json_)
    if counts.failed:
        raise typer.Exit(1)


def evaluate(
    benchmark: Annotated[list[str], typer.Option(help="Benchmark to score on; repeatable.")],
    out: Annotated[Path, output_folder(help="Folder for results.json and samples/; one folder for each model.")],
    model: Annotated[
        str | None, typer.Option(help="The model to score: folder, hub id, or name at the endpoint (--backend openai).")
    ] = None,
    backend: BackendOption = None,
    base_url: BaseUrlOption = None,
    samples: Annotated[Path | None, input_path(help="Samples to score, as in `execute`, instead of --model.")] = None,
    extract: Annotated[bool, typer.Option(help="Samples are answers: find their programs as in a model's.")] = False,
    partial: Annotated[bool, typer.Option(help="Score only the tasks that have samples; n counts them.")] = False,
    fresh: Annotated[bool, typer.Option(help="Ask again for answers that are kept.")] = False,
    ground_truth: Annotated[bool, typer.Option(help="Score the benchmark's canonical solutions instead.")] = False,
    problems: Annotated[
        Path | None,
        typer.Option(
            help="JSONL of problems, for heldout and validation; heldout then has the file's name in the results, and "
            "without held-out problems all are scored. Default: data/problems.jsonl."
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Score only the first tasks of each benchmark.")] = None,
    environment: EnvironmentOption = None,
    set_: SetOption = None,
    params_file: ParamsOption = None,
    json_: JsonOption = False,
) -> None:
    """Score a model on benchmarks: sample programs, run them, compute pass@k."""
    from iterpref_core.evaluation.benchmarks.benchmark import EvaluationSetting
    from iterpref_core.evaluation.evaluation.model_evaluation import evaluate_model
    from iterpref_core.evaluation.evaluation.results_file import warn_of_absent_benchmarks
    from iterpref_core.evaluation.scoring.existing_samples import score_samples
    from iterpref_core.models.inference.backend_factory import model_at
    from iterpref_core.storage.state_folder import ANSWERS, PROBLEMS, WORK

    values = {"evaluation.benchmarks": tuple(benchmark), **endpoint_values(backend, base_url)}
    if backend is not None and BACKENDS[backend].local:
        # The debugger's backend is another parameter than the backend of a model on this machine.
        values["evaluation.backend"] = backend
    settings = read_params(set_, params_file, values, environment, problems or PROBLEMS)
    where: dict[str, Any] = {
        "problems": problems or PROBLEMS,
        "cache": WORK / "evaluation",
        "limit": limit,
        "own_set": problems is not None,
    }
    # The three sources of programs exclude each other.
    if [model is not None, samples is not None, ground_truth].count(True) != 1:
        raise InputError("give exactly one of --model, --samples and --ground-truth")
    if model is None and (fresh or backend or base_url):
        raise InputError("--fresh, --backend and --base-url are about a model that is asked; give one with --model")
    if samples is None and (extract or partial):
        raise InputError("--extract and --partial are about a file of samples; give one with --samples")
    if model is not None:
        backend_name = settings.inference.backend
        served = not BACKENDS[backend_name].local
        if base_url and not served:
            raise InputError(
                f"--base-url {base_url}: inference.backend {backend_name} asks no server; add --backend openai"
            )
        warn_of_demo_values(settings, model, "evaluation.max_new_tokens")
        results = evaluate_model(
            settings,
            Path(model).name,
            model=model_at(model, served=served and bool(backend or base_url)),
            out=out,
            answers=ANSWERS,
            prompt=settings.model.student_format,
            fresh=fresh,
            **where,
        )
    else:
        # Without samples, the benchmarks' canonical solutions are scored.
        results = score_samples(samples, EvaluationSetting(settings, **where), out, extract=extract, partial=partial)
    warn_of_absent_benchmarks(results)
    show_result(results.metrics(), json_)
    # Exit code 1: answers are missing, and the same command asks for them.
    if results.incomplete:
        raise typer.Exit(1)


def leaderboard(
    results: Annotated[
        list[str],
        typer.Argument(
            metavar="[NAME=]RESULTS[,RESULTS]...",
            help="Results of evaluate; several of one name are its seeds. The others are compared with the first.",
        ),
    ],
    out: Annotated[Path | None, output_folder(help="Folder for the table as Markdown and CSV.")] = None,
    form: FormOption = "text",
    benchmark: Annotated[list[str] | None, typer.Option(help="Benchmark to show; repeatable.")] = None,
    previous: Annotated[
        bool, typer.Option("--previous", help="Compare each with the one before it, too, as for rounds of training.")
    ] = False,
    json_: JsonOption = False,
) -> None:
    """Compare results of several models with the first on the same tasks."""
    from iterpref_core.evaluation.scoring.leaderboard import make_leaderboard

    board, lacking = make_leaderboard(results, benchmark or (), out, previous=previous)
    show_standings(board, form, json_)
    if lacking:
        raise typer.Exit(1)


def gate(
    baseline: Annotated[Path, input_path(help="Results of the model to compare with: a folder, or a results.json.")],
    candidate: Annotated[Path, input_path(help="Results of the model that the gate is for.")],
    benchmark: Annotated[
        list[str] | None, typer.Option(help="Benchmark to compare on; repeatable; default: all of the baseline.")
    ] = None,
    alpha: Annotated[float, typer.Option(min=0, max=1, help="Significance level over all benchmarks.")] = 0.05,
    kept: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Share of the baseline's solved tasks to keep: exit with 1 also where the 95% interval of what the "
            "candidate keeps lies below.",
        ),
    ] = None,
    margin: Annotated[
        float,
        typer.Option(
            metavar="POINTS",
            min=0.1,
            max=100,
            help="Loss of pass@1 that the 95% interval must exclude; 100: any may be.",
        ),
    ] = 10.0,
    strict: Annotated[
        bool, typer.Option("--strict", help="Also exit with 1 if the results were measured differently.")
    ] = False,
    json_: JsonOption = False,
) -> None:
    """Exit with 1 if the candidate is significantly worse (one-sided paired test, Holm-corrected), or may well be."""
    from iterpref_core.evaluation.sharing.regression_gate import compare_with_baseline

    comparison = compare_with_baseline(
        baseline,
        candidate,
        benchmarks=benchmark or (),
        alpha=alpha,
        keep=kept,
        margin=margin / 100,
        strict=strict,
    )
    if json_:
        typer.echo(comparison.model_dump_json(indent=2))
    else:
        print_text("\n".join(comparison.lines()))
    if comparison.failed:
        raise typer.Exit(1)
