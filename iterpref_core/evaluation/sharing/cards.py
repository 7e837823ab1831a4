"""Write the cards of exported models, as the Hugging Face hub shows them.

A card states only what was recorded of these very weights. Everything else is unknown.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard, ModelCardData

from iterpref_core.models.pretrained.checkpoints import EMBEDDED
from iterpref_core.models.pretrained.lineage import LINEAGE, ancestors
from iterpref_core.records import InputError, ModelLineage
from iterpref_core.storage.state_folder import FOCAL

from ..evaluation.results_file import load_model_results
from ..report.display_names import model_name
from ..report.score_rows import score_rows
from ..report.standings import Standings, notes_of
from ..report.summary_record import Summary
from ..scoring.leaderboard import rank_models

_TEMPLATE = Path(__file__).with_name("model_card.md")


def model_card(
    summary: Summary | None,
    title: str,
    lineage: ModelLineage | None,
    weights: str,
    *,
    license: str | None,
    sources: Mapping[str, int],
    scores: str | None = None,
) -> str:
    """Return the README.md of a model.

    Args:
        summary: the object of summary.json, if there is one. The card leaves out other models and pairs.
        title: the title of the card.
        lineage: the record next to the model's weights; without one, the training is unknown.
        weights: the model's fingerprint, the key of its scores in the summary.
        license: the license of the base model, if known.
        sources: source of problems → number of problems.
        scores: a table of scores, which replaces the summary's.
    """
    # The first training comes first.
    steps = list(reversed(list(ancestors(lineage)))) if lineage else []
    base = steps[0].base if steps else ""
    tags = ["code"]
    if lineage and lineage.objective:
        tags += ["preference-optimization", lineage.objective]
    experiment = None
    if summary is not None and trained_on_the_pairs_of(summary, lineage):
        experiment = _experiment(summary) | {"sources": dict(sources)}
    card = ModelCard.from_template(
        ModelCardData(
            license=(license or "unknown").lower(),
            library_name="transformers",
            pipeline_tag="text-generation",
            tags=tags,
            base_model=base if "/" in base else None,
        ),
        template_path=str(_TEMPLATE),
        title=title,
        training=_training(steps),
        license_of_base="" if base == EMBEDDED else license or "unknown: check",
        scores=scores or (_scores(summary, lineage, weights) if summary else ""),
        lineage=_json(lineage.model_dump(mode="json", exclude_none=True)) if lineage else "",
        experiment=_json(experiment) if experiment else "",
    )
    return str(card)


def scores_of_results(results: Sequence[Path], weights: str) -> str:
    """Return the table of scores of results of `iterpref evaluate`, compared with the first of another model.

    Args:
        results: folders of results, of this model and others.
        weights: the model's fingerprint.

    Raises:
        InputError: no results are of these weights, or they are of different data.
    """
    found = {place: load_model_results(place) for place in results}
    others = {str(place): [model] for place, model in found.items() if model.weights != weights}
    own = [model for model in found.values() if model.weights == weights]
    if not own or not weights:
        raise InputError(f"--results {results[0]}: not of this model's weights; evaluate the folder that is exported")
    benchmarks = dict.fromkeys(name for model in found.values() for name in model.benchmarks)
    return rank_models({**others, "this model": own}, list(benchmarks)).markdown()


def trained_on_the_pairs_of(summary: Summary, lineage: ModelLineage | None) -> bool:
    """Return True if a model was trained on the pairs of the summary."""
    if lineage is None or not lineage.data:
        return False
    return lineage.data.get("pairs") == summary.provenance.inputs.get(str(FOCAL))


def _training(steps: list[ModelLineage]) -> str:
    """Return how a model was trained, in a sentence."""
    if not steps:
        return f"How it was trained is unknown: there is no `{LINEAGE}` next to its weights."
    base = steps[0].base
    start = "a small model that this project trains from scratch" if base == EMBEDDED else f"`{base}`"
    objectives = [f"{model_name(step.objective)} ({step.objective})" for step in steps if step.objective]
    if not objectives:
        return f"This is {start}, without preference training."
    return f"Trained with {', then '.join(objectives)} from {start}, after IterPref (arXiv 2503.02783)."


def _scores(summary: Summary, lineage: ModelLineage | None, weights: str) -> str:
    """Return the table of a model's scores, next to the base's if the training started there; "" without scores."""
    measured = summary.provenance.weights
    # The same weights may have two names, such as `base` and a training of no steps: the first will do.
    name = next((name for name, fingerprint in measured.items() if fingerprint == weights), None)
    from_base = lineage is not None and lineage.base_weights and lineage.base_weights == measured.get("base")
    base = []
    trained = []
    for row in score_rows(summary):
        if row.part:
            continue
        if from_base and row.model == "base":
            base.append(row)
        if row.model == name:
            # A difference from base means little for a model that did not start there.
            trained.append(replace(row, model="this model", comparison=row.comparison if from_base else None))
    return Standings("base", [*base, *trained], notes_of(trained)).markdown() if trained else ""


def _experiment(summary: Summary) -> dict[str, Any]:
    """Return the summary's records of the pairs."""
    # The names of overlapping tasks stay out: a card needs only their number.
    overlap = {
        "pairs": True,
        "dropped": True,
        "absent": True,
        "benchmarks": {"__all__": {"tasks", "pairs"}},
    }
    provenance = {"inputs", "data", "isolation", "versions"}
    kept: Any = {
        "codeflow": {"problems", "inside"},
        "pairs": {"dropped"},
        "contamination": overlap,
        "provenance": provenance,
    }
    return summary.model_dump(mode="json", include=kept, exclude_none=True)


def _json(value: Mapping[str, Any]) -> str:
    """Return a record for a fence of a card, one line for each value."""
    return json.dumps(value, indent=2, ensure_ascii=False)
