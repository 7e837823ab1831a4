"""The verbs that make problems."""

import json
import signal
from collections.abc import Set
from dataclasses import asdict, replace
from difflib import get_close_matches
from enum import Enum
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from iterpref_core.problems.ingestion.presets import PRESETS
from iterpref_core.records import InputError, PreferencePair, Problem, Record, Trajectory
from iterpref_core.storage.state_folder import ANSWERS, WORK

from .options import (
    DroppedOption,
    EnvironmentOption,
    JsonOption,
    ParamsOption,
    ProblemsOption,
    SetOption,
    input_path,
    output_file,
    read_params,
)
from .printing import print_text, show_result

if TYPE_CHECKING:
    from iterpref_core.problems.ingestion.intake import Ingested

FORMATS = sorted([*PRESETS, "folder"])
_OF_EVERY_SET = {"columns", "limit", "dropped", "license", "split", "config", "keep"}
"""Options for every published set, of problems or of pairs."""
_OF_PROBLEMS = _OF_EVERY_SET | {"max_tests", "visible", "heldout", "trajectories", "pairs_per_problem"}
_OPTIONS = {
    "programs": _OF_EVERY_SET | {"spans"},
    "edits": _OF_EVERY_SET | {"spans", "repositories"},
    "submissions": _OF_EVERY_SET | {"trajectories"},
    "problems": _OF_PROBLEMS,
    "folder": {"python", "license", "heldout", "dropped", "keep"},
}
"""The parts of a format's rows → its options; by default those for every set."""
_OF_SOME = set[str]().union(*_OPTIONS.values())
"""Options that only some formats have."""


def _list_formats(asked: bool) -> None:
    if asked:
        titles = {name: preset.title for name, preset in PRESETS.items()} | {"folder": "your own package with tests"}
        print_text("\n".join(f"{name:24}{titles[name]}" for name in FORMATS))
        raise typer.Exit


def ingest(
    ctx: typer.Context,
    source: Annotated[
        list[Path],
        typer.Argument(help="Files (JSONL, JSON, Parquet, CSV, Arrow), folders, ids of the hub's sets, or a project."),
    ],
    form: Annotated[
        str,
        typer.Option(
            "--format",
            help="Format of the sources; --formats lists them. FILE.py:function makes problems of any other row.",
        ),
    ],
    out: Annotated[Path, output_file(help="JSONL of problems (in problems/ they join the experiment), or of pairs.")],
    max_tests: Annotated[
        int | None, typer.Option(min=1, help="Tests of a problem to keep, drawn in the same way in every run.")
    ] = None,
    visible: Annotated[
        int | None, typer.Option(min=1, help="Tests of a problem that models may see; the others are hidden.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Rows to read.")] = None,
    heldout: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the problems to hold out for evaluation.")
    ] = 0.0,
    dropped: DroppedOption = None,
    trajectories: Annotated[
        Path | None, output_file(help="JSONL of a wrong and a right program of each problem that has both, for `pair`.")
    ] = None,
    pairs_per_problem: Annotated[
        int,
        typer.Option(min=1, help="With --trajectories: wrong programs of a problem to keep, the nearest ones."),
    ] = 1,
    license: Annotated[str | None, typer.Option(help="SPDX license of rows that state none.")] = None,
    split: Annotated[
        str | None, typer.Option(help="Split to read where there are several: train by default; all for every file.")
    ] = None,
    config: Annotated[str | None, typer.Option(help="Configuration to read where a folder has several.")] = None,
    _formats: Annotated[
        bool, typer.Option("--formats", is_eager=True, callback=_list_formats, help="List the formats, and end.")
    ] = False,
    columns: Annotated[
        str | None,
        typer.Option(
            help="The columns of each part. Format problems: prompt=question,reference=answer,tests=checks. "
            "Format trl: prompt=question,chosen=a,rejected=b. Format pairs: prompt=statement,buggy=wrong,fixed=right."
        ),
    ] = None,
    spans: Annotated[
        Path | None, output_file(help="Format pairs: JSONL to write the pairs with their error regions to.")
    ] = None,
    repositories: Annotated[
        Path | None, input_path(help="Format edits: folder of clones, each named as its repository.")
    ] = None,
    python: Annotated[str | None, typer.Option(help="Format folder: the Python interpreter of the project.")] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Also take rows that seem to hold keys, passwords or e-mail addresses.")
    ] = False,
    environment: EnvironmentOption = None,
    set_: SetOption = None,
    params_file: ParamsOption = None,
    json_: JsonOption = False,
) -> None:
    """Turn published sets, or your own code, into problems whose references pass; or preference sets into pairs.

    After a kill, the same command continues.
    """
    function = None
    if ".py:" in form:
        from iterpref_core.problems.ingestion.row_function import load_function

        function, form = load_function(form), "problems"
    if form not in FORMATS:
        near = get_close_matches(form, FORMATS, n=1)
        guess = f"did you mean {near[0]!r}? " if near else ""
        raise InputError(f"--format: no format {form!r}; {guess}`iterpref ingest --formats` lists them")
    settings = read_params(set_, params_file, environments=environment)
    parts = PRESETS[form].parts if form in PRESETS else form
    # Without trajectories no wrong programs are kept.
    _refuse(ctx, form, _OPTIONS.get(parts, _OF_EVERY_SET) - (set() if trajectories else {"pairs_per_problem"}))
    # A scheduler such as Slurm stops a job by SIGTERM, which then ends with the message of Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if form == "folder":
        from iterpref_core.problems.own_code.own_code import ingest_own_code

        if len(source) > 1:
            raise InputError(f"--format folder: one folder is read in a call, not {len(source)}; call it once for each")
        counts = ingest_own_code(
            source[0],
            out,
            settings.own_code,
            settings.execution,
            python=python,
            license=license,
            heldout=heldout,
            dropped=dropped,
            keep=keep,
        )
        show_result(counts, json_)
        return
    from iterpref_core.problems.ingestion.intake import Wanted

    rows = Wanted(source, split, config, limit, license, keep, function)
    # This file remembers the outcomes of programs until the ingestion has ended.
    store = WORK / "ingest" / f"{sha256(str(out.resolve()).encode()).hexdigest()[:16]}.sqlite"
    if parts == "submissions":
        from iterpref_core.pairs.ingestion.submissions import ingest_submissions

        if trajectories is None:
            raise InputError("--format submissions: name the file for their attempts with --trajectories")
        taken = ingest_submissions(rows, out, trajectories, columns, dropped)
    elif parts == "problems":
        from iterpref_core.problems.ingestion.ingest import ingest as ingest_problems
        from iterpref_core.problems.ingestion.problem_rows import Selection

        taken = ingest_problems(
            rows,
            form,
            out,
            settings.execution,
            Selection(max_tests=max_tests, visible=visible, heldout=heldout),
            store,
            columns=columns,
            dropped=dropped,
            trajectories=trajectories,
            pairs_per_problem=pairs_per_problem,
        )
    else:
        from iterpref_core.pairs.ingestion.preference_pairs import Judging, ingest_pairs
        from iterpref_core.pairs.localization.localization import localize_pairs

        judging = Judging(settings.pairs, settings.execution, store) if parts != "answers" else None
        if parts == "edits":
            from iterpref_core.pairs.ingestion.edits import rows_of_edits

            rows, columns, form = rows_of_edits(rows, columns, repositories), None, "pairs"
        taken = ingest_pairs(rows, out, judging, form=form, columns=columns, dropped=dropped)
        if spans is not None:
            regions = localize_pairs(out, settings.localization, spans)
            taken = replace(taken, counts=taken.counts | {"spans": regions.pairs})
    _show_ingested(taken, json_)


def _show_ingested(taken: "Ingested", json_: bool) -> None:
    """Print the counts, the first rows that are left out, and the findings."""
    if json_:
        rows = {"dropped_rows": list(map(asdict, taken.dropped)), "findings": taken.findings}
        show_result(taken.counts | rows, json_)
        return
    show_result(taken.counts, json_)
    for row in taken.dropped:
        name = f" {row.task_id}" if row.task_id else ""
        reason = ": ".join(filter(None, [row.reason, row.first_line]))
        print_text(f"dropped: {row.where}{name}: {reason}", err=True)
    for finding in taken.findings:
        print_text(f"look: {finding}", err=True)


def _refuse(ctx: typer.Context, form: str, known: Set[str]) -> None:
    """Refuse options that a format does not have, instead of ignoring them."""
    for option in ctx.command.params:
        name = str(option.name)
        source = ctx.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE" and name in _OF_SOME - known:
            raise InputError(f"{option.opts[0]}: --format {form} does not have this option here; leave it out")


def synthesize(
    out: Annotated[Path, output_file(help="JSONL to write problems to; files in problems/ join the experiment.")],
    count: Annotated[int, typer.Option(min=1, help="Number of problems to ask for; sound ones are kept.")],
    seed_code: Annotated[
        Path | None, input_path(help="Folder with Python files, or JSONL with a field `code`, to make the tree from.")
    ] = None,
    license: Annotated[
        str | None, typer.Option(help="SPDX of seed files without an SPDX header; for models on other machines.")
    ] = None,
    tree: Annotated[
        Path | None, output_file(help="JSON of the feature tree; written with --seed-code, read without it.")
    ] = None,
    dropped: DroppedOption = None,
    set_: SetOption = None,
    params_file: ParamsOption = None,
    json_: JsonOption = False,
) -> None:
    """Let model.debugger write problems from a tree of features. After a kill, the same command continues."""
    from iterpref_core.execution import open_executor
    from iterpref_core.models.inference.answer_store import AnswerStore
    from iterpref_core.models.inference.backend_factory import leaves_this_machine, open_model
    from iterpref_core.problems.synthesis.feature_tree import load_tree
    from iterpref_core.problems.synthesis.seed_code import filter_for_others
    from iterpref_core.problems.synthesis.synthesis import make_tree, write_problems

    settings = read_params(set_, params_file)
    if seed_code is None and tree is None:
        raise InputError("give --seed-code to make a feature tree, or --tree to use an existing one")
    inference = settings.inference
    with (
        AnswerStore(ANSWERS, f"synthesize {out.resolve()}") as store,
        open_model(
            model=settings.model.debugger,
            prompt=settings.model.debugger_format,
            inference=inference,
            budget=settings.budget,
            store=store,
        ) as asked,
        open_executor(settings.execution) as executor,
    ):
        counts: dict[str, float] = {}
        if seed_code is not None:
            # A model on another machine sees only programs whose license allows that.
            against = None
            if leaves_this_machine(inference):
                against = filter_for_others(seed_code, license, settings.own_code.licenses)
            written = tree or WORK / "synthesize" / f"{out.stem}.tree.json"
            features, taken = make_tree(seed_code, asked, settings.synthesis, against, written)
            counts |= taken
            typer.echo(f"feature tree: {written}", err=True)
        elif tree is not None:
            features = load_tree(tree)
        counts |= write_problems(features, asked, settings.synthesis, executor, count=count, out=out, dropped=dropped)
        counts |= {"calls": asked.bill.calls, "tokens": asked.bill.tokens, "cost_usd": asked.cost_usd}
        if asked.bill.estimated:
            counts["tokens_estimated"] = asked.bill.estimated
    show_result(counts, json_)


def inject(
    problems: ProblemsOption,
    out: Annotated[
        Path,
        output_file(help="JSONL to write pairs to: a reference, a mutant that its tests catch, and the changed lines."),
    ],
    mutations_per_problem: Annotated[int, typer.Option(min=1, help="Mutants to try for each reference, at most.")] = 4,
    environment: EnvironmentOption = None,
    set_: SetOption = None,
    params_file: ParamsOption = None,
    json_: JsonOption = False,
) -> None:
    """Put bugs into references, to make pairs with known error regions."""
    from iterpref_core.execution import open_executor
    from iterpref_core.problems.validity.injection import inject_bugs

    settings = read_params(set_, params_file, environments=environment, problems=problems)
    with open_executor(settings.execution) as executor:
        counts = inject_bugs(problems, out, executor, mutations_per_problem)
    show_result(counts, json_)


def quality(
    problems: ProblemsOption,
    scores: Annotated[Path | None, output_file(help="JSONL to write the scores of each problem to.")] = None,
    environment: EnvironmentOption = None,
    set_: SetOption = None,
    params_file: ParamsOption = None,
    json_: JsonOption = False,
) -> None:
    """Measure how good the tests are: coverage of the references, and mutation score."""
    from iterpref_core.execution.samples import read_problems
    from iterpref_core.problems.validity.validity import assess_tests

    execution = read_params(set_, params_file, environments=environment, problems=problems).execution
    result = assess_tests(list(read_problems(problems).values()), execution, scores)
    show_result(result.metrics(), json_)


RECORDS: dict[str, type[Record]] = {"problem": Problem, "trajectory": Trajectory, "pair": PreferencePair}
Kind = Enum("Kind", {name: name for name in RECORDS})  # type: ignore[misc]


def schema(kind: Annotated[Kind, typer.Argument(help="Kind of record.")]) -> None:
    """Print the JSON Schema of a record, which is a line of a file."""
    record = RECORDS[kind.value]
    print_text(json.dumps(record.model_json_schema() | {"examples": [json.loads(record.example)]}, indent=2))
