"""The verb that exports a model."""

from pathlib import Path
from typing import Annotated

import typer

from iterpref_core.storage.state_folder import PROBLEMS

from .options import JsonOption, input_folder, output_folder
from .printing import show_result

SUMMARY = Path("reports/summary.json")


def export(
    out: Annotated[Path, output_folder(help="Folder to write; it must be empty or absent.")],
    model: Annotated[Path, input_folder(help="Folder of the trained model, such as models/trained/target-rpo.")],
    results: Annotated[
        list[Path] | None,
        typer.Option(
            exists=True,
            help="Results of evaluate for the card, of this model and others; repeatable. Default: the report's.",
        ),
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Write a model as a Hugging Face folder.

    The card's title is the folder's name. Scores and settings come from reports/summary.json if it exists.
    """
    from iterpref_core.evaluation.report.summary_record import read_summary
    from iterpref_core.evaluation.sharing.cards import model_card, scores_of_results
    from iterpref_core.evaluation.sharing.export_model import count_sources, export_model
    from iterpref_core.models.pretrained.fingerprint import model_fingerprint
    from iterpref_core.models.pretrained.lineage import ancestors, read_lineage
    from iterpref_core.storage.data_card import find_license
    from iterpref_core.storage.digests import file_digest

    summary = read_summary(SUMMARY) if SUMMARY.is_file() else None
    # The license is the base model's: from its card, or from the hub.
    lineage = read_lineage(model)
    license = None
    if lineage is not None:
        *_, first = ancestors(lineage)
        license = first.license
        if not license and first.revision:
            license = find_license(first.base, "model")
    # A report has measured whole models, so its scores never belong to a folder of adapters.
    weights = "" if (model / "adapter_config.json").is_file() else model_fingerprint(model)
    # Count the problems' sources only if the summary is about this file.
    sources = {}
    if summary is not None and PROBLEMS.is_file():
        if summary.provenance.inputs.get(str(PROBLEMS)) == file_digest(PROBLEMS, "md5"):
            sources = count_sources(PROBLEMS)
    scores = scores_of_results(results, weights) if results else None
    card = model_card(summary, out.name, lineage, weights, license=license, sources=sources, scores=scores)
    show_result(export_model(model, out, card), json_)
