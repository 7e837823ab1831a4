"""The verb about tests rather than programs: quality."""

from pathlib import Path
from typing import Annotated

import typer

from flows.commands.shared import DEFAULT_PARAMS, JsonOption, ParamsOption, show_result
from iterpref_core.config import load_params


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(quality)


def quality(
    problems: Annotated[Path, typer.Option(help="JSONL of problems.")],
    out: Annotated[Path | None, typer.Option(help="JSONL of the problems that are kept.")] = None,
    scores: Annotated[Path | None, typer.Option(help="JSONL of what was found for each problem.")] = None,
    min_coverage: Annotated[
        float | None, typer.Option(min=0, max=1, help="Drop problems whose tests reach less of the reference.")
    ] = None,
    min_mutation: Annotated[
        float | None, typer.Option(min=0, max=1, help="Drop problems whose tests tell fewer mutants apart.")
    ] = None,
    mutants: Annotated[int, typer.Option(min=1, help="Mutants of each reference, at most.")] = 30,
    seed: Annotated[int, typer.Option(help="Decides which mutants.")] = 0,
    params: ParamsOption = DEFAULT_PARAMS,
    json_: JsonOption = False,
) -> None:
    """Measure what problems' tests demand: coverage of their references, and mutants told apart."""
    from iterpref_core.execution import open_executor
    from iterpref_core.execution.quality import PRELOAD, QualityOptions, assess_tests

    options = QualityOptions(mutants, seed, min_coverage, min_mutation)
    with open_executor(load_params(params).execution, PRELOAD) as executor:
        show_result(assess_tests(problems, executor, options, scores=scores, out=out), json_)
