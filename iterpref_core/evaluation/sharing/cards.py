"""Write the cards of exported models and pairs, as the Hugging Face hub shows them.

A card states only what was recorded of these very weights or files. Everything else is unknown.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from huggingface_hub import DatasetCard, DatasetCardData, ModelCard, ModelCardData

from iterpref_core.evaluation.report.labels import model_name
from iterpref_core.evaluation.report.score_rows import ScoreRow, score_rows
from iterpref_core.evaluation.report.standings import Standings, inside_notes
from iterpref_core.evaluation.report.summary_record import Summary
from iterpref_core.evaluation.sharing.export_data_set import DATA, TRAIN, DataSet, Origin
from iterpref_core.models.pretrained.checkpoints import EMBEDDED
from iterpref_core.models.pretrained.lineage import LINEAGE, ancestors
from iterpref_core.records import COMPOSED, ModelLineage

OWN_LICENSE = "apache-2.0"
"""The license of the problems that this project composes. Problems of published sets state theirs."""
UNKNOWN = "unknown: check"
_TEMPLATES = Path(__file__).with_name("templates")


def model_card(
    summary: Summary | None,
    title: str,
    lineage: ModelLineage | None,
    weights: str,
    *,
    license: str | None,
    sources: Mapping[str, int],
) -> str:
    """Return the README.md of a model.

    Args:
        summary: the object of summary.json, if there is one. The card leaves out other models and pairs.
        title: the title of the card.
        lineage: the record next to the model's weights; without one, the training is unknown.
        weights: the model's fingerprint, the key of its scores in the summary.
        license: the license of the base model, if known.
        sources: source of problems → number of problems.
    """
    first = first_base(lineage)
    tags = ["code"]
    if lineage and lineage.objective:
        tags += ["preference-optimization", lineage.objective]
    experiment = None
    if summary is not None and trained_on_the_pairs_of(summary, lineage):
        experiment = _experiment(summary) | {"sources": dict(sources)}
    card = ModelCard.from_template(
        ModelCardData(
            license=license or "unknown",
            library_name="transformers",
            pipeline_tag="text-generation",
            tags=tags,
            base_model=first.base if first and "/" in first.base else None,
        ),
        template_path=str(_TEMPLATES / "model_card.md"),
        title=title,
        training=_training(lineage, first),
        license_of_base="" if first and first.base == EMBEDDED else license or UNKNOWN,
        scores=_scores(summary, lineage, weights) if summary else "",
        lineage=_json(lineage.model_dump(mode="json", exclude_none=True)) if lineage else "",
        experiment=_json(experiment) if experiment else "",
    )
    return str(card)


def pairs_card(
    contents: DataSet,
    title: str,
    summary: Summary | None,
    *,
    localized: bool,
    regions_known: bool,
) -> str:
    """Return the README.md of pairs.

    Args:
        contents: the counts of the data set.
        title: the title of the card.
        summary: the object of summary.json, if it is about these very pairs.
        localized: True if there are columns for spans.
        regions_known: True if the summary is also about these very spans.
    """
    sections = ["model", "pairs", "localization"] if regions_known else ["model", "pairs"]
    card = DatasetCard.from_template(
        DatasetCardData(
            pretty_name=title,
            license=_license_of_all(contents),
            task_categories=["text-generation"],
            tags=["code", "preference", "dpo", "trl"],
            configs=[
                {"config_name": "default", "data_files": [{"split": TRAIN, "path": f"{DATA}/{TRAIN}.parquet"}]},
            ],
        ),
        template_path=str(_TEMPLATES / "pairs_card.md"),
        title=title,
        contents=contents,
        # The experiment's own tests have judged its pairs; each other pair must state it.
        tested=contents.pairs if summary else contents.tested,
        origins=[
            f"{origin.source or 'unrecorded source'}: {number:,}, license {_find_license(origin) or UNKNOWN}"
            for origin, number in contents.origins.most_common()
        ],
        methods=", ".join(f"{number:,} by `{method}`" for method, number in contents.methods.most_common()),
        localized=localized,
        experiment=_json(_experiment(summary, *sections)) if summary else "",
    )
    return str(card)


def first_base(lineage: ModelLineage | None) -> ModelLineage | None:
    """Return the record of the first training, which names the first model."""
    if lineage is None:
        return None
    *_, first = ancestors(lineage)
    return first


def trained_on_the_pairs_of(summary: Summary, lineage: ModelLineage | None) -> bool:
    """Return True if a model was trained on the pairs and spans of the summary."""
    if lineage is None or not lineage.data:
        return False
    inputs = summary.provenance.inputs
    files = {"pairs": "data/pairs.jsonl", "spans": "data/focal.jsonl"}
    return all(lineage.data.get(name) == inputs.get(file) for name, file in files.items())


def _training(lineage: ModelLineage | None, first: ModelLineage | None) -> str:
    """Return how a model was trained, in a sentence."""
    if lineage is None or first is None:
        return f"How it was trained is unknown: there is no `{LINEAGE}` next to its weights."
    start = "a small model that this project trains from scratch" if first.base == EMBEDDED else f"`{first.base}`"
    # The first training comes first.
    objectives = [step.objective for step in reversed(list(ancestors(lineage))) if step.objective]
    if not objectives:
        return f"This is {start}, without preference training."
    steps = ", then ".join(f"{model_name(name)} ({name})" for name in objectives)
    return f"Trained with {steps} from {start}, after IterPref (arXiv 2503.02783)."


def _scores(summary: Summary, lineage: ModelLineage | None, weights: str) -> str:
    """Return the table of a model's scores, next to the base's if the training started there; "" without scores."""
    measured = summary.provenance.weights
    # The same weights may have two names, such as `base` and a training of no steps: the first will do.
    name = next((name for name, fingerprint in measured.items() if fingerprint == weights), None)
    rows = [row for row in score_rows(summary) if not row.part]
    own = [replace(row, model="this model") for row in rows if row.model == name]
    base: list[ScoreRow] = []
    if lineage is not None and lineage.base_weights and lineage.base_weights == measured.get("base"):
        base = [row for row in rows if row.model == "base"]
    # A difference from base means little for a model that did not start there.
    if not base:
        own = [replace(row, comparison=None) for row in own]
    if not own:
        return ""
    return Standings("base", (*base, *own), tuple(inside_notes(own))).markdown()


def _experiment(summary: Summary, *sections: str) -> dict[str, Any]:
    """Return what the summary records of the pairs, with these sections of the parameters."""
    # The names of overlapping tasks stay out: a card needs only their number.
    overlap = {"pairs": True, "dropped": True, "absent": True, "benchmarks": {"__all__": {"tasks", "pairs"}}}
    provenance = {"params": {*sections}, "inputs": True, "data": True, "isolation": True, "versions": True}
    kept: Any = {"codeflow": {"problems", "inside", "dropped"}, "contamination": overlap, "provenance": provenance}
    record = summary.model_dump(mode="json", include=kept, exclude_none=True)
    return {"contamination": "not checked"} | record


def _json(value: Mapping[str, Any]) -> str:
    """Return a record for a fence of a card, one line for each value."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def _license_of_all(contents: DataSet) -> str:
    # The hub calls rows of two licenses "other"; one row without a license makes the whole unknown.
    licenses = {_find_license(origin) for origin in contents.origins}
    if None in licenses or not licenses:
        return "unknown"
    return str(licenses.pop()).lower() if len(licenses) == 1 else "other"


def _find_license(origin: Origin) -> str | None:
    """Return the license that a problem states; None if it states none."""
    return origin.license or (OWN_LICENSE if origin.source == COMPOSED else None)
