"""Verbs about making problems with a model, and about how diverse problems are: synthesize, diversity."""

from collections import Counter
from pathlib import Path
from typing import Annotated, get_args

import typer

from flows.commands.shared import DEFAULT_PARAMS, JsonOption, ParamsOption, choose, override, show_result
from iterpref_core.config import BackendName, load_params
from iterpref_core.errors import InputError

BACKENDS: tuple[str, ...] = get_args(BackendName)


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    for verb in (synthesize, diversity):
        app.command()(verb)


def synthesize(
    out: Annotated[Path, typer.Option(help="JSONL of problems; in problems/ they join the experiment.")],
    count: Annotated[int, typer.Option(min=1, help="Problems to ask for; those that are sound are kept.")],
    seed_code: Annotated[
        Path | None, typer.Option(help="Folder with Python files, or JSONL with a field code; makes the tree.")
    ] = None,
    license: Annotated[
        str | None, typer.Option(help="SPDX: of seed code that names none; for models on other machines.")
    ] = None,
    tree: Annotated[
        Path | None, typer.Option(help="JSON of the feature tree: written with --seed-code, read without.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="The model that is asked; model.debugger by default.")] = None,
    backend: Annotated[str | None, typer.Option(help=f"One of: {', '.join(BACKENDS)}.")] = None,
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
    from tasks.common.paths import ANSWERS, WORK

    settings = load_params(params)
    if seed_code is None and tree is None:
        raise InputError("give --seed-code, to make a feature tree, or --tree, to use one that was made before")
    if backend is not None:
        choose("--backend", backend, BACKENDS)
    inference = override(settings.inference, {"backend": backend, "base_url": base_url})
    synthesis = override(settings.synthesis, {"seed": seed})
    faults = Counter[str]()
    name, style = model or settings.model.debugger, settings.model.prompt
    at_once = concurrency or settings.codeflow.concurrency
    with (
        AnswerStore(ANSWERS, f"synthesize {out.resolve()}") as store,
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
        spent = store.charged()
    found |= {
        "calls": spent.calls,
        "tokens": spent.tokens,
        "cost_usd": cost_usd(spent, inference),
    }
    show_result(found | {f"faults/{kind}": float(number) for kind, number in faults.items()}, json_)


def diversity(
    problems: Annotated[Path, typer.Option(help="JSONL of problems.")],
    split: Annotated[str | None, typer.Option(help="Only the problems of this split.")] = None,
    json_: JsonOption = False,
) -> None:
    """Count the different features of a set of problems, over all and by category."""
    from iterpref_core.problems.diversity import measure_diversity
    from iterpref_core.records import Problem
    from iterpref_core.storage.jsonl import read_jsonl

    chosen = (problem for problem in read_jsonl(problems, Problem) if split in (None, problem.split))
    show_result(measure_diversity(chosen), json_)
