"""Verbs that bring problems and pairs in: ingest, inject."""

from pathlib import Path
from typing import Annotated, cast, get_args

import typer

from flows.commands.shared import DEFAULT_PARAMS, JsonOption, ParamsOption, choose, show_result
from iterpref_core.config import load_params
from iterpref_core.problems.formats import PairFormat, ProblemFormat
from iterpref_core.problems.ingest import Ingested

PAIR_FORMATS: tuple[str, ...] = get_args(PairFormat)
OWN_CODE_FORMATS = ("package", "folder")
FORMATS: tuple[str, ...] = (*get_args(ProblemFormat), *PAIR_FORMATS, *OWN_CODE_FORMATS)


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    for verb in (ingest, inject):
        app.command()(verb)


def ingest(
    source: Annotated[str, typer.Argument(help="A file (JSONL or JSON array; .gz too), a folder, or a package.")],
    format_: Annotated[str, typer.Option("--format", help=f"One of: {', '.join(FORMATS)}.")],
    out: Annotated[Path, typer.Option(help="JSONL of problems (in problems/ they join the experiment), or of pairs.")],
    verdicts: Annotated[Path | None, typer.Option(help="Files: JSONL with the verdict on every reference.")] = None,
    skip_broken: Annotated[
        bool | None,
        typer.Option(
            "--skip-broken/--no-skip-broken",
            help="Files: leave problems whose reference fails out, instead of stopping; the default of published sets.",
        ),
    ] = None,
    keep_benchmarks: Annotated[
        bool, typer.Option(help="Files: take benchmarks' own tasks too, to measure with, not to train on.")
    ] = False,
    python: Annotated[str | None, typer.Option(help="package, folder: the project's own interpreter.")] = None,
    tests: Annotated[Path | None, typer.Option(help="package, folder: where its tests are, if elsewhere.")] = None,
    license: Annotated[str | None, typer.Option(help="package, folder: an SPDX expression, if it names none.")] = None,
    params: ParamsOption = DEFAULT_PARAMS,
    json_: JsonOption = False,
) -> None:
    """Turn a file, or your own code, into problems whose references pass their own tests; or a file into pairs."""
    form = choose("--format", format_, FORMATS)
    if form in PAIR_FORMATS:
        from iterpref_core.problems.formats.codeflow_pairs import ingest_pairs

        show_result(ingest_pairs(Path(source), out), json_)
        return
    settings = load_params(params)
    if form in OWN_CODE_FORMATS:
        from iterpref_core.problems.own_code import own_code

        own = own_code.Source(source, cast("own_code.Format", form), python, tests, license)
        show_result(own_code.ingest_own_code(own, out, settings.own_code, settings.execution), json_)
        return
    from iterpref_core.problems.ingest import IngestOptions
    from iterpref_core.problems.ingest import ingest as core

    options = IngestOptions(skip_broken, keep_benchmarks)
    found = core(Path(source), cast("ProblemFormat", form), out, settings.execution, options, verdicts)
    _show_ingested(found, verdicts, as_json=json_)


def _show_ingested(found: Ingested, verdicts: Path | None, *, as_json: bool) -> None:
    if as_json:
        show_result({**found.counts, "broken": [item.model_dump() for item in found.broken]}, as_json=True)
        return
    show_result(found.counts, as_json=False)
    for item in found.broken:
        typer.echo(f"broken: {item.task_id} (line {item.line}): {item.verdict}: {item.feedback}")
    failing = sum(count for name, count in found.counts.items() if name.startswith("dropped/reference_"))
    if failing > len(found.broken):
        typer.echo(f"and {failing - len(found.broken):.0f} more, see {verdicts or '--verdicts FILE'}")


def inject(
    problems: Annotated[Path, typer.Option(help="JSONL of problems with references and tests.")],
    out: Annotated[Path, typer.Option(help="Pairs: a reference, and a mutant of it that the tests catch.")],
    spans: Annotated[Path, typer.Option(help="Their true error regions.")],
    mutations: Annotated[
        int, typer.Option("--mutations-per-problem", min=1, help="Mutants tried of each reference, at most.")
    ] = 4,
    rewrites: Annotated[
        int, typer.Option(min=0, help="Rewrites that keep the meaning, of the passing program, at most.")
    ] = 0,
    seed: Annotated[int, typer.Option(help="Decides which mutants and rewrites.")] = 0,
    params: ParamsOption = DEFAULT_PARAMS,
    json_: JsonOption = False,
) -> None:
    """Put bugs in known places of references: pairs with their true error regions; a killed run continues."""
    from iterpref_core.execution import open_executor
    from iterpref_core.problems.injection import InjectionOptions, inject_bugs

    options = InjectionOptions(mutations, seed, rewrites)
    with open_executor(load_params(params).execution) as executor:
        show_result(inject_bugs(problems, out, spans, executor, options), json_)
