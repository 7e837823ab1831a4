"""The verb that exports a model, or a data set."""

from pathlib import Path
from typing import Annotated, Any

from iterpref_core.cli.options import JsonOption, input_file, input_folder, output_folder
from iterpref_core.cli.printing import show_result
from iterpref_core.records.errors import InputError

PROBLEMS = Path("data/problems.jsonl")
SUMMARY = Path("reports/summary.json")


def export(
    out: Annotated[Path, output_folder(help="Folder to write; it must be empty or absent.")],
    model: Annotated[
        Path | None, input_folder(help="Folder of the trained model, such as models/trained/target-rpo.")
    ] = None,
    pairs: Annotated[Path | None, input_file(help="JSONL of pairs to write as a data set.")] = None,
    spans: Annotated[Path | None, input_file(help="JSONL of the error regions, with --pairs.")] = None,
    json_: JsonOption = False,
) -> None:
    """Write a model as a Hugging Face folder, or pairs as a data set.

    The card's title is the folder's name. Scores and settings come from reports/summary.json if it exists.
    """
    if (model is None) == (pairs is None):
        raise InputError("give what to export: one of --model and --pairs")
    if spans is not None and pairs is None:
        raise InputError("--spans needs --pairs; leave it out")
    from iterpref_core.evaluation.report.summary_record import read_summary

    summary = read_summary(SUMMARY) if SUMMARY.is_file() else None
    if model is not None:
        exported = _export_model(model, out, summary)
    elif pairs is not None:
        exported = _export_pairs(pairs, spans, out, summary)
    show_result(exported, json_)


def _export_model(model: Path, out: Path, summary: Any) -> dict[str, float | str]:
    from iterpref_core.evaluation.sharing.cards import first_base, model_card
    from iterpref_core.evaluation.sharing.export_model import count_sources, export_model
    from iterpref_core.models.pretrained.fingerprint import model_fingerprint
    from iterpref_core.models.pretrained.lineage import find_license, read_lineage

    # The license is the base model's: from its card, or from the hub.
    lineage = read_lineage(model)
    first = first_base(lineage)
    license = None
    if first is not None:
        license = first.license
        if not license and first.revision:
            license = find_license(first.base)
    # A report has measured whole models, so its scores never belong to a folder of adapters.
    weights = ""
    if not (model / "adapter_config.json").is_file():
        weights = model_fingerprint(model)
    # Count the problems' sources only if the summary is about this file.
    sources = {}
    if _is_input(PROBLEMS, "data/problems.jsonl", summary):
        sources = count_sources(PROBLEMS)
    card = model_card(summary, out.name, lineage, weights, license=license, sources=sources)
    return export_model(model, out, card)


def _export_pairs(
    pairs: Path,
    spans: Path | None,
    out: Path,
    summary: Any,
) -> dict[str, float | str]:
    from iterpref_core.evaluation.sharing.cards import pairs_card
    from iterpref_core.evaluation.sharing.export_data_set import DataSet, export_pairs

    # Numbers of another experiment must not be on the card of these pairs.
    about = summary if _is_input(pairs, "data/pairs.jsonl", summary) else None
    known = _is_input(spans, "data/focal.jsonl", about)

    def card(data: DataSet) -> str:
        return pairs_card(
            data,
            out.name,
            about,
            localized=spans is not None,
            regions_known=known,
        )

    problems = PROBLEMS if PROBLEMS.is_file() else None
    return export_pairs(pairs, spans, problems, out, card)


def _is_input(path: Path | None, name: str, summary: Any) -> bool:
    """Return True if a file is the input of this name in the summary's experiment, by its digest."""
    from iterpref_core.storage.file_digest import file_digest

    if summary is None or path is None or not path.is_file():
        return False
    return bool(summary.provenance.inputs.get(name) == file_digest(path, "md5"))
