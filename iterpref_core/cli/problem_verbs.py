"""The verbs that make problems."""

import hashlib
import json
import signal
from collections.abc import Sequence, Set
from dataclasses import asdict, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from iterpref_core.cli.options import (
    DroppedOption,
    JsonOption,
    ProblemsOption,
    SetOption,
    input_path,
    output_file,
    read_params,
)
from iterpref_core.cli.printing import print_text, show_result
from iterpref_core.cli.state_folder import ANSWERS, WORK
from iterpref_core.problems.ingestion.presets import PRESETS
from iterpref_core.records import PreferencePair, Problem, Record, Trajectory
from iterpref_core.records.config import Params
from iterpref_core.records.errors import InputError, unknown_name

if TYPE_CHECKING:
    from iterpref_core.models.inference.backend import Model
    from iterpref_core.problems.ingestion.intake import Ingested, Source
    from iterpref_core.problems.synthesis.feature_tree import FeatureTree

FORMATS = sorted([*PRESETS, "folder"])
_OF_EVERY_SET = {"columns", "limit", "dropped", "license", "split", "config", "keep"}
"""Options for every published set, of problems or of pairs."""
_OF_PROBLEMS = _OF_EVERY_SET | {"max_tests", "visible", "heldout", "trajectories", "pairs_per_problem"}
_OPTIONS = {
    "answers": _OF_EVERY_SET,
    "programs": _OF_EVERY_SET | {"spans"},
    "submissions": _OF_EVERY_SET | {"trajectories"},
    "problems": _OF_PROBLEMS,
    "folder": {"python", "license", "heldout", "dropped", "keep"},
}
"""The parts of a format's rows → its options."""


SourcesArgument = Annotated[
    list[Path],
    typer.Argument(help="Files (JSONL, JSON, Parquet, CSV, Arrow), folders, ids of the hub's sets, or a project."),
]
FormatOption = Annotated[str, typer.Option("--format", help=f"Format of the sources: {', '.join(FORMATS)}.")]
IngestedOption = Annotated[
    Path, output_file(help="JSONL of problems (in problems/ they join the experiment), or of pairs.")
]
MaxTestsOption = Annotated[
    int | None, typer.Option(min=1, help="Tests of a problem to keep, drawn in the same way in every run.")
]
VisibleOption = Annotated[
    int | None, typer.Option(min=1, help="Tests of a problem that models may see; the others are hidden.")
]
LimitOption = Annotated[int | None, typer.Option(min=1, help="Rows to read.")]
HeldoutOption = Annotated[float, typer.Option(min=0, max=1, help="Share of the problems to hold out for evaluation.")]
TrajectoriesOption = Annotated[
    Path | None, output_file(help="JSONL of a wrong and a right program of each problem that has both, for `pair`.")
]
PairsPerProblemOption = Annotated[
    int | None,
    typer.Option(min=1, help="With --trajectories: wrong programs of a problem to keep, the nearest ones."),
]
LicenseOption = Annotated[str | None, typer.Option(help="SPDX license of rows that state none.")]
KeepOption = Annotated[
    bool, typer.Option("--keep", help="Also take rows that seem to hold keys, passwords or e-mail addresses.")
]
SplitOption = Annotated[
    str | None, typer.Option(help="Split to read where there are several: train by default; all for every file.")
]
ConfigurationOption = Annotated[str | None, typer.Option(help="Configuration to read where a folder has several.")]
ColumnsOption = Annotated[
    str | None,
    typer.Option(
        help="The columns of each part. Format problems: prompt=question,reference=answer,tests=checks. "
        "Format trl: prompt=question,chosen=a,rejected=b. Format pairs: prompt=statement,buggy=wrong,fixed=right."
    ),
]
SpansOption = Annotated[Path | None, output_file(help="Format pairs: JSONL to write the error regions to.")]
PythonOption = Annotated[str | None, typer.Option(help="Format folder: the Python interpreter of the project.")]


def ingest(
    ctx: typer.Context,
    source: SourcesArgument,
    form: FormatOption,
    out: IngestedOption,
    max_tests: MaxTestsOption = None,
    visible: VisibleOption = None,
    limit: LimitOption = None,
    heldout: HeldoutOption = 0.0,
    dropped: DroppedOption = None,
    trajectories: TrajectoriesOption = None,
    pairs_per_problem: PairsPerProblemOption = None,
    license: LicenseOption = None,
    split: SplitOption = None,
    config: ConfigurationOption = None,
    columns: ColumnsOption = None,
    spans: SpansOption = None,
    python: PythonOption = None,
    keep: KeepOption = False,
    set_: SetOption = None,
    json_: JsonOption = False,
) -> None:
    """Turn published sets, or your own code, into problems whose references pass; or preference sets into pairs.

    After a kill, the same command continues.
    """
    if form not in FORMATS:
        raise InputError(f"--format: {unknown_name('format', form, FORMATS)}")
    settings = read_params(set_)
    parts = PRESETS[form].parts if form in PRESETS else form
    _refuse(ctx, form, _OPTIONS[parts])
    if pairs_per_problem is not None and trajectories is None:
        raise InputError(
            "--pairs-per-problem: chooses programs for --trajectories; name a file for these, or leave it out"
        )
    # A scheduler such as Slurm stops a job by SIGTERM, which then ends with the message of Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if form == "folder":
        counts = _ingest_folder(
            source, out, settings, python=python, license=license, heldout=heldout, dropped=dropped, keep=keep
        )
        show_result(counts, json_)
        return
    from iterpref_core.problems.ingestion.intake import Source

    rows = Source(source, split, config, limit, license, keep)
    if parts in {"answers", "programs"}:
        taken = _ingest_pairs(rows, out, settings, form=form, columns=columns, spans=spans, dropped=dropped)
    elif parts == "submissions":
        taken = _ingest_submissions(rows, out, trajectories, columns=columns, dropped=dropped)
    else:
        from iterpref_core.problems.ingestion.ingest import ingest as ingest_problems
        from iterpref_core.problems.ingestion.problem_rows import Selection

        taken = ingest_problems(
            rows,
            form,
            out,
            settings.execution,
            Selection(max_tests=max_tests, visible=visible, heldout=heldout),
            _unfinished(out),
            columns=columns,
            dropped=dropped,
            trajectories=trajectories,
            pairs_per_problem=pairs_per_problem or 1,
        )
    _show_taken(taken, as_json=json_)


def _ingest_folder(
    source: Sequence[Path],
    out: Path,
    settings: Params,
    *,
    python: str | None,
    license: str | None,
    heldout: float,
    dropped: Path | None,
    keep: bool,
) -> dict[str, float | str]:
    """Turn the user's own code into problems; return their counts."""
    from iterpref_core.problems.own_code.own_code import ingest_own_code

    if len(source) > 1:
        raise InputError(f"--format folder: one folder is read in a call, not {len(source)}; call it once for each")
    return ingest_own_code(
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


def _ingest_pairs(
    rows: "Source",
    out: Path,
    settings: Params,
    *,
    form: str,
    columns: str | None,
    spans: Path | None,
    dropped: Path | None,
) -> "Ingested":
    """Turn sets of pairs, or of buggy and fixed programs, into pairs; localize these if a file for spans is named."""
    from iterpref_core.pairs.ingestion.preference_pairs import Judging, ingest_pairs
    from iterpref_core.pairs.localization.localization import localize_pairs

    judging = None
    if PRESETS[form].parts == "programs":
        judging = Judging(settings.pairs, settings.execution, _unfinished(out))
    taken = ingest_pairs(rows, out, judging, form=form, columns=columns, dropped=dropped)
    if spans is None:
        return taken
    regions = localize_pairs(out, settings.localization, spans)
    return replace(taken, counts=taken.counts | {"spans": regions.pairs})


def _ingest_submissions(
    rows: "Source", out: Path, trajectories: Path | None, *, columns: str | None, dropped: Path | None
) -> "Ingested":
    """Turn submissions with verdicts into problems and trajectories."""
    from iterpref_core.pairs.ingestion.submissions import ingest_submissions

    if trajectories is None:
        raise InputError("--format submissions: name the file for their attempts with --trajectories")
    return ingest_submissions(rows, out, trajectories, columns, dropped)


def _unfinished(out: Path) -> Path:
    """Return the file that remembers the outcomes of programs until an ingestion has ended."""
    digest = hashlib.sha256(str(out.resolve()).encode()).hexdigest()
    return WORK / "ingest" / f"{digest[:16]}.sqlite"


def _show_taken(taken: "Ingested", *, as_json: bool) -> None:
    """Print the counts of a set, and the rows that were left out: on stderr, or in the JSON."""
    if as_json:
        rows = [asdict(row) for row in taken.dropped]
        show_result({**taken.counts, "statistics": taken.statistics, "dropped_rows": rows}, as_json)
        return
    from iterpref_core.problems.ingestion.statistics import table

    show_result(taken.counts, as_json)
    print_text("\n".join(["", *table(taken.statistics)]))
    for row in taken.dropped:
        name = f" {row.task_id}" if row.task_id else ""
        reason = ": ".join(filter(None, [row.reason, row.first_line]))
        print_text(f"dropped: {row.where}{name}: {reason}", err=True)


def _refuse(ctx: typer.Context, form: str, known: Set[str]) -> None:
    """Refuse options that a format does not have, instead of ignoring them."""
    of_all = {"source", "form", "out", "set_", "json_"}
    for option in ctx.command.params:
        name = str(option.name)
        source = ctx.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE" and name not in known | of_all:
            raise InputError(f"{option.opts[0]}: --format {form} does not have this option; leave it out")


SynthesizedOption = Annotated[
    Path, output_file(help="JSONL to write problems to; files in problems/ join the experiment.")
]
CountOption = Annotated[int, typer.Option(min=1, help="Number of problems to ask for; sound ones are kept.")]
SeedCodeOption = Annotated[
    Path | None, input_path(help="Folder with Python files, or JSONL with a field `code`, to make the tree from.")
]
SeedLicenseOption = Annotated[
    str | None, typer.Option(help="SPDX of seed files without an SPDX header; for models on other machines.")
]
TreeOption = Annotated[
    Path | None, output_file(help="JSON of the feature tree; written with --seed-code, read without it.")
]


def synthesize(
    out: SynthesizedOption,
    count: CountOption,
    seed_code: SeedCodeOption = None,
    license: SeedLicenseOption = None,
    tree: TreeOption = None,
    set_: SetOption = None,
    json_: JsonOption = False,
) -> None:
    """Let model.debugger write problems from a tree of features. After a kill, the same command continues."""
    from iterpref_core.execution import open_executor
    from iterpref_core.models.inference.answer_store import AnswerStore
    from iterpref_core.models.inference.backend_factory import open_model
    from iterpref_core.problems.synthesis.feature_tree import load_tree
    from iterpref_core.problems.synthesis.synthesis import write_problems

    settings = read_params(set_)
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
        if seed_code is not None:
            written = tree or WORK / "synthesize" / f"{out.stem}.tree.json"
            features, counts = _tree_of(seed_code, license, asked, settings, written)
        elif tree is not None:
            features = load_tree(tree)
            counts = {}
        counts |= write_problems(
            tree=features,
            backend=asked,
            params=settings.synthesis,
            executor=executor,
            count=count,
            out=out,
        )
        spent = store.spent()
        counts |= {"calls": spent.calls, "tokens": spent.tokens, "cost_usd": spent.dollars(inference)}
    show_result(counts, json_)


def _tree_of(
    seed_code: Path, license: str | None, asked: "Model", settings: Params, out: Path
) -> tuple["FeatureTree", dict[str, float]]:
    """Let a model make a feature tree from seed code; return the tree, and the counts of `make_tree`.

    A model on another machine sees only programs whose license allows that.
    """
    from iterpref_core.models.inference.backend_factory import leaves_this_machine
    from iterpref_core.problems.synthesis.seed_code import filter_for_others
    from iterpref_core.problems.synthesis.synthesis import make_tree

    against = None
    if leaves_this_machine(settings.inference):
        against = filter_for_others(seed_code, license, settings.own_code.licenses)
    made = make_tree(
        seed_code,
        asked,
        settings.synthesis,
        against,
        out,
    )
    typer.echo(f"feature tree: {out}", err=True)
    return made


def inject(
    problems: ProblemsOption,
    out: Annotated[Path, output_file(help="JSONL to write pairs to: a reference, and a mutant that its tests catch.")],
    spans: Annotated[Path, output_file(help="JSONL to write their true error regions to.")],
    mutations_per_problem: Annotated[int, typer.Option(min=1, help="Mutants to try for each reference, at most.")] = 4,
    set_: SetOption = None,
    json_: JsonOption = False,
) -> None:
    """Put bugs into references, to make pairs with known error regions."""
    from iterpref_core.execution import open_executor
    from iterpref_core.problems.synthesis.injection import inject_bugs

    with open_executor(read_params(set_).execution) as executor:
        counts = inject_bugs(
            problems,
            out,
            spans,
            executor,
            mutations=mutations_per_problem,
            seed=0,
        )
    show_result(counts, json_)


def quality(
    problems: ProblemsOption,
    scores: Annotated[Path | None, output_file(help="JSONL to write the scores of each problem to.")] = None,
    set_: SetOption = None,
    json_: JsonOption = False,
) -> None:
    """Measure how good the tests are: coverage of the references, and mutation score."""
    from iterpref_core.execution.samples import read_problems
    from iterpref_core.problems.validity.validity import assess_tests

    result = assess_tests(list(read_problems(problems).values()), read_params(set_).execution, scores)
    show_result(result.metrics(), json_)


RECORDS: dict[str, type[Record]] = {"problem": Problem, "trajectory": Trajectory, "pair": PreferencePair}
Kind = Enum("Kind", {name: name for name in RECORDS})  # type: ignore[misc]


def schema(kind: Annotated[Kind, typer.Argument(help="Kind of record.")]) -> None:
    """Print the JSON Schema of a record, which is a line of a file."""
    record = RECORDS[kind.value]
    print_text(json.dumps(record.model_json_schema() | {"examples": [json.loads(record.example)]}, indent=2))
