"""Verb that takes things along: a model or a data set."""

import os
from pathlib import Path
from typing import Annotated

import typer

from iterpref_core.cli.path_options import input_option, output_option
from iterpref_core.cli.shared import JsonOption, show_result
from iterpref_core.errors import InputError

PROBLEMS = Path("data/problems.jsonl")
SUMMARY = Path("reports/summary.json")


def export(
    out: Annotated[Path, output_option("Folder to write; one that holds something is refused.", kind="folder")],
    model: Annotated[
        Path | None, input_option("Folder of the trained model, such as models/trained/target-rpo.", kind="folder")
    ] = None,
    pairs: Annotated[Path | None, input_option("JSONL of pairs: written as a data set.")] = None,
    spans: Annotated[Path | None, input_option("With --pairs: JSONL of their error regions.")] = None,
    problems: Annotated[
        Path | None,
        input_option(
            f"JSONL of problems: alone, written as a data set; else for the sources of a card. {PROBLEMS} by default."
        ),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Title of the card; by default the folder's name.")] = None,
    summary: Annotated[
        Path | None,
        input_option(
            f"The report's summary.json, for scores, data and parameters of a card; {SUMMARY} if it is there."
        ),
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Write a model as a Hugging Face folder, or pairs or problems as a data set."""
    if sum(given is not None for given in (model, pairs)) > 1:
        raise InputError("give one of --model and --pairs, or --problems alone")
    if spans is not None and pairs is None:
        raise InputError("--spans goes with --pairs; leave it out")
    title = os.fsencode(name or out.name).decode("utf-8", "replace")  # a file's name may be no text
    known = problems or PROBLEMS
    summary = summary or (SUMMARY if SUMMARY.is_file() else None)
    if model is not None:
        found = _export_model(model, out, title, summary, known)
    elif pairs is not None:
        found = _export_pairs(pairs, spans, out, title, summary, problems or (PROBLEMS if PROBLEMS.is_file() else None))
    elif problems is not None:
        from iterpref_core.report.cards import problems_card
        from iterpref_core.report.export_data_set import export_problems

        found = export_problems(problems, out, lambda data: problems_card(data, title))
    else:
        raise InputError("give what to export: --model, --pairs or --problems")
    show_result(found, json_)


def _export_model(model: Path, out: Path, title: str, summary: Path | None, problems: Path) -> dict[str, float | str]:
    from iterpref_core.inference.local.fingerprint import model_fingerprint
    from iterpref_core.inference.local.model_lineage import read_lineage
    from iterpref_core.report.cards import first_base, model_card
    from iterpref_core.report.summary import read_summary
    from iterpref_core.storage.file_digest import file_md5
    from iterpref_core.training.export_model import count_sources, export_model, find_license

    lineage = read_lineage(model)
    first = first_base(lineage)
    license = (first.license or (find_license(first.base) if first.revision else None)) if first else None
    found = read_summary(summary) if summary else None
    inputs = found["provenance"]["inputs"] if found else {}
    unchanged = problems.is_file() and file_md5(problems) == inputs.get("data/problems.jsonl")
    adapters = (model / "adapter_config.json").is_file()  # which no report has measured: they are no model
    card = model_card(
        found,
        title,
        lineage,
        "" if adapters else model_fingerprint(model),
        license=license,
        sources=count_sources(problems) if unchanged else {},
    )
    return export_model(model, out, card)


def _export_pairs(
    pairs: Path, spans: Path | None, out: Path, title: str, summary: Path | None, problems: Path | None
) -> dict[str, float | str]:
    from iterpref_core.report.cards import pairs_card
    from iterpref_core.report.export_data_set import DataSet, export_pairs
    from iterpref_core.report.summary import read_summary
    from iterpref_core.storage.file_digest import file_md5

    found = read_summary(summary) if summary else None
    inputs = found["provenance"]["inputs"] if found else {}
    about = inputs.get("data/pairs.jsonl") == file_md5(pairs)
    regions = about and spans is not None and inputs.get("data/focal.jsonl") == file_md5(spans)

    def card(data: DataSet) -> str:
        return pairs_card(
            data,
            title,
            found if about else None,
            localized=spans is not None,
            regions_known=regions,
        )

    return export_pairs(pairs, spans, problems, out, card)
