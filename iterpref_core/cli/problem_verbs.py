"""Verbs that make problems."""

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from iterpref_core.cli.path_options import input_argument, input_option, output_option
from iterpref_core.cli.places import ANSWERS, WORK
from iterpref_core.cli.shared import (
    DEFAULT_PARAMS,
    BackendOption,
    JsonOption,
    ParamsOption,
    ProblemsOption,
    SetOption,
    override,
    read_params,
    show_result,
)
from iterpref_core.config import load_params
from iterpref_core.errors import InputError
from iterpref_core.problems.ingest import Ingested, ProblemFormat

NAMED = 10
"""Broken problems that `ingest` names."""


def ingest(
    source: Annotated[
        str,
        input_argument("A file (JSONL or JSON array, .gz too; Parquet), a folder, or a package.", kind="path or name"),
    ],
    form: Annotated[
        Literal[ProblemFormat, "trl", "package", "folder"], typer.Option("--format", help="What the source is.")
    ],
    out: Annotated[Path, output_option("JSONL of problems (in problems/ they join the experiment), or of pairs.")],
    spans: Annotated[
        Path | None, output_option("trl: JSONL to write error regions to, where the source has them.")
    ] = None,
    skip_broken: Annotated[
        bool | None,
        typer.Option(
            "--skip-broken/--no-skip-broken",
            help="Problem files: leave out problems whose reference fails, or stop; published sets: left out.",
        ),
    ] = None,
    keep_benchmarks: Annotated[
        bool, typer.Option(help="Problem files: keep benchmarks' own tasks, to measure with, not to train on.")
    ] = False,
    python: Annotated[str | None, typer.Option(help="package, folder: the project's own interpreter.")] = None,
    tests: Annotated[
        Path | None, input_option("package, folder: where its tests are, if elsewhere.", kind="file or folder")
    ] = None,
    license: Annotated[
        str | None,
        typer.Option("--license", "--licence", help="package, folder: an SPDX expression, if it names none."),
    ] = None,
    heldout: Annotated[
        float, typer.Option(min=0, max=1, help="The share of problems to hold out, for evaluation.")
    ] = 0.0,
    limit: Annotated[int | None, typer.Option(min=1, help="Files: take so many, the first ones.")] = None,
    params: ParamsOption = DEFAULT_PARAMS,
    json_: JsonOption = False,
) -> None:
    """Turn a file, or your own code, into problems whose references pass their own tests; or a file into pairs."""
    if form == "trl":
        if heldout:
            raise InputError("--heldout goes with problems; training.validation_share keeps pairs from training")
        from iterpref_core.problems.formats.preference_pairs import ingest_pairs

        show_result(ingest_pairs(Path(source), out, spans, limit), json_)
        return
    if spans is not None:
        raise InputError(f"--spans goes with --format trl, not with {form}")
    settings = load_params(params)
    if form == "package" or form == "folder":  # noqa: PLR1714  # mypy learns from it
        if limit is not None:
            raise InputError(f"--limit goes with files, not with {form}; --tests names fewer of its tests")
        from iterpref_core.problems.own_code import own_code

        own = own_code.Source(source, form, python, tests, license, heldout)
        show_result(own_code.ingest_own_code(own, out, settings.own_code, settings.execution), json_)
        return
    from iterpref_core.problems.ingest import IngestOptions
    from iterpref_core.problems.ingest import ingest as core

    options = IngestOptions(skip_broken, keep_benchmarks, heldout, limit)
    found = core(Path(source), form, out, settings.execution, options)
    _show_ingested(found, as_json=json_)


def _show_ingested(found: Ingested, *, as_json: bool) -> None:
    if as_json:
        show_result({**found.counts, "broken": [asdict(item) for item in found.broken]}, as_json=True)
        return
    show_result(found.counts, as_json=False)
    for item in found.broken[:NAMED]:
        typer.echo(f"broken: {item.task_id} (line {item.line}): {item.verdict}: {item.feedback}")
    if len(found.broken) > NAMED:
        typer.echo(f"and {len(found.broken) - NAMED} more; --json names them all")


def synthesize(
    out: Annotated[Path, output_option("JSONL of problems; in problems/ they join the experiment.")],
    count: Annotated[int, typer.Option(min=1, help="Problems to ask for; those that are sound are kept.")],
    seed_code: Annotated[
        Path | None,
        input_option("Folder with Python files, or JSONL with a field code; makes the tree.", kind="file or folder"),
    ] = None,
    license: Annotated[
        str | None,
        typer.Option(
            "--license", "--licence", help="SPDX: of seed code that names none; for models on other machines."
        ),
    ] = None,
    tree: Annotated[
        Path | None, output_option("JSON of the feature tree: written with --seed-code, read without.")
    ] = None,
    model: Annotated[
        str | None, input_option("The model that is asked; model.debugger by default.", kind="path or name")
    ] = None,
    backend: BackendOption = None,
    base_url: Annotated[str | None, typer.Option(help="Of --backend openai.")] = None,
    concurrency: Annotated[int | None, typer.Option(min=1, help="Prompts at once.")] = None,
    seed: Annotated[int | None, typer.Option(help="Decides which features are drawn, and all sampling.")] = None,
    params: ParamsOption = DEFAULT_PARAMS,
    json_: JsonOption = False,
) -> None:
    """Have a model write problems from a tree of features of seed code; a killed run continues where it stopped."""
    from iterpref_core.execution import open_executor
    from iterpref_core.inference.answer_store import AnswerStore
    from iterpref_core.inference.backend_factory import leaves_this_machine, open_model
    from iterpref_core.inference.budget import cost_usd
    from iterpref_core.problems.synthesis.feature_tree import load_tree
    from iterpref_core.problems.synthesis.seed_code import filter_for_others
    from iterpref_core.problems.synthesis.synthesis import make_tree, write_problems

    settings = load_params(params)
    if seed_code is None and tree is None:
        raise InputError("give --seed-code, to make a feature tree, or --tree, to use one that was made before")
    inference = override(settings.inference, {"backend": backend, "base_url": base_url})
    synthesis = override(settings.synthesis, {"seed": seed})
    faults = Counter[str]()
    name, style = model or settings.model.debugger, settings.model.prompt
    at_once = concurrency or settings.codeflow.concurrency
    with (
        AnswerStore(ANSWERS, f"synthesise {out.resolve()}") as store,
        open_model(name, style, inference, settings.budget, store, at_once, faults) as asked,
        open_executor(settings.execution) as executor,
    ):
        found: dict[str, float] = {}
        if seed_code is not None:
            written = tree or WORK / "synthesize" / f"{out.stem}.tree.json"
            elsewhere = leaves_this_machine(inference)
            against = filter_for_others(seed_code, license, settings.own_code.licenses) if elsewhere else None
            features, found = make_tree(seed_code, asked, synthesis, against, written)
            typer.echo(f"feature tree: {written}", err=True)
        elif tree is not None:
            features = load_tree(tree)
        found |= write_problems(features, asked, synthesis, executor, count, out)
        spent = store.spent()
    dollars = cost_usd(spent.prompt_tokens, spent.completion_tokens, inference.price_prompt, inference.price_completion)
    found |= {"calls": spent.calls, "tokens": spent.tokens, "cost_usd": dollars}
    show_result(found | {f"faults/{kind}": float(number) for kind, number in faults.items()}, json_)


def inject(
    problems: Annotated[Path, input_option("JSONL of problems with references and tests.")],
    out: Annotated[Path, output_option("Pairs: a reference, and a mutant of it that the tests catch.")],
    spans: Annotated[Path, output_option("Their true error regions.")],
    mutations: Annotated[
        int, typer.Option("--mutations-per-problem", min=1, help="Mutants tried of each reference, at most.")
    ] = 4,
    seed: Annotated[int, typer.Option(min=0, help="Decides which mutants.")] = 0,
    params: ParamsOption = DEFAULT_PARAMS,
    json_: JsonOption = False,
) -> None:
    """Make pairs with known error regions by putting bugs into references."""
    from iterpref_core.execution import open_executor
    from iterpref_core.problems.injection import inject_bugs

    with open_executor(load_params(params).execution) as executor:
        show_result(inject_bugs(problems, out, spans, executor, mutations=mutations, seed=seed), json_)


def quality(
    problems: ProblemsOption,
    out: Annotated[Path | None, output_option("JSONL of the problems that are kept.")] = None,
    scores: Annotated[Path | None, output_option("JSONL of what was found for each problem.")] = None,
    min_coverage: Annotated[
        float | None, typer.Option(min=0, max=1, help="Drop problems whose tests cover less of the reference.")
    ] = None,
    min_mutation: Annotated[
        float | None, typer.Option(min=0, max=1, help="Drop problems with a lower mutation score.")
    ] = None,
    mutants: Annotated[int, typer.Option(min=1, help="Mutants of each reference, at most.")] = 30,
    judge: Annotated[
        bool, typer.Option("--judge", help="Have a model score the tests of what is left; its answers are kept.")
    ] = False,
    model: Annotated[str | None, input_option("The judge; validity.judge by default.", kind="path or name")] = None,
    min_score: Annotated[
        int | None, typer.Option(min=1, max=5, help="With --judge: drop problems with a lower score in a criterion.")
    ] = None,
    sample: Annotated[
        int | None, typer.Option(min=1, help="Look at so many problems, drawn at random; not with --out.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Decides what is drawn; validity.seed by default.")] = None,
    params: ParamsOption = DEFAULT_PARAMS,
    set_: SetOption = None,
    json_: JsonOption = False,
) -> None:
    """Measure what problems' tests demand: coverage of the references, mutation score, a judge's scores."""
    from iterpref_core.execution.samples import read_problems
    from iterpref_core.inference.backend_factory import open_judge
    from iterpref_core.storage.jsonl import write_jsonl
    from iterpref_core.validity.validity import Thresholds, assess_tests, draw_problems

    settings = read_params(params, set_)
    chosen = settings.validity.seed if seed is None else seed
    if sample is not None and out is not None:
        raise InputError("--sample and --out: problems outside of the sample would be lost; leave one of the two out")
    if not judge and (model or min_score):
        raise InputError("--model and --min-score are of a judge; add --judge")
    name = (model or settings.validity.judge) if judge else None
    if judge and name is None:
        raise InputError("--judge needs a --model, or validity.judge in params.yaml")
    drawn = list(read_problems(problems).values()) if sample is None else draw_problems(problems, sample, chosen)
    at_once, run = settings.codeflow.concurrency, f"judge {problems.resolve()}"
    kept, metrics = assess_tests(
        drawn,
        settings.execution,
        open_judge(name, settings.inference, settings.budget, at_once, ANSWERS, run),
        scores,
        Thresholds(min_coverage, min_mutation, min_score),
        mutants=mutants,
        seed=chosen,
    )
    if out is not None:
        write_jsonl(out, kept)
    show_result({"kept": float(len(kept))} | metrics, json_)
