"""Cards of exported models and pairs, in the form that the Hugging Face hub reads.

A card states only facts that were recorded of these very weights or files. Everything else is called unknown.
"""

import json
from collections.abc import Mapping
from typing import Any

from huggingface_hub import DatasetCardData, ModelCardData
from jinja2 import Environment, PackageLoader, StrictUndefined

from iterpref_core.evaluation.report.labels import benchmark_name, model_name
from iterpref_core.evaluation.report.number_formats import difference, percent
from iterpref_core.evaluation.report.score_rows import ScoreRow, score_rows
from iterpref_core.evaluation.report.summary_record import Summary
from iterpref_core.evaluation.sharing.export_data_set import DATA, TRAIN, DataSet, Origin
from iterpref_core.models.pretrained.checkpoints import EMBEDDED
from iterpref_core.models.pretrained.lineage import LINEAGE, ancestors
from iterpref_core.records import COMPOSED, ModelLineage

OWN_LICENSE = "apache-2.0"
"""The license of the problems that this project composes. Those of published sets state theirs."""


def model_card(
    summary: Summary | None,
    title: str,
    lineage: ModelLineage | None,
    weights: str,
    *,
    license: str | None,
    sources: Mapping[str, int],
) -> str:
    """Write the README.md of a model.

    Args:
        summary: the object of summary.json, if there is one. The card leaves out other models and pairs.
        title: the title of the card.
        lineage: the record beside the model's weights; without one, the training is unknown.
        weights: the model's fingerprint, the key of its scores in the summary.
        license: the license of the base model, if known.
        sources: source of problems → number of problems.
    """
    first = first_base(lineage)
    scores: list[ScoreRow] = []
    base: dict[str, ScoreRow] = {}
    measured: dict[str, str] = {}
    if summary is not None:
        scores = _scores_of(summary, weights)
        for row in score_rows(summary):
            if row.model == "base" and not row.part:
                base[row.benchmark] = row
        measured = summary.provenance.weights
    known = summary is not None and trained_on_the_pairs_of(summary, lineage)
    started_there = lineage is not None and lineage.base_weights == measured.get("base")
    steps = []
    if lineage is not None:
        # The first training first.
        for step in reversed(list(ancestors(lineage))):
            if step.objective:
                steps.append(f"{model_name(step.objective)} ({step.objective})")
    return _render(
        "model_card.md",
        data=_model_fields(lineage, first, license),
        title=title,
        lineage=lineage,
        lineage_file=LINEAGE,
        start=_start(first),
        embedded=first is not None and first.base == EMBEDDED,
        license=license,
        steps=steps,
        summary=summary if known else None,
        sources=sources,
        scores=scores,
        base=base if started_there else {},
        measured=known and weights in measured.values(),
    )


def pairs_card(
    contents: DataSet,
    title: str,
    summary: Summary | None,
    *,
    localized: bool,
    regions_known: bool,
) -> str:
    """Write the README.md of pairs.

    Args:
        contents: the counts of the data set.
        title: the title of the card.
        summary: the object of summary.json, if it is about these very pairs.
        localized: True if there are columns for spans.
        regions_known: True if the summary is about these very spans, too.
    """
    models = []
    if summary is not None:
        named = summary.provenance.params["model"]
        models = [named["student"], named["debugger"]]
    return _render(
        "pairs_card.md",
        data=_data_set_fields(contents, title),
        title=title,
        contents=contents,
        # The experiment's own tests have judged its pairs; of other pairs each must say it.
        judged=summary is not None or contents.tested == contents.pairs,
        summary=summary,
        localized=localized,
        regions_known=regions_known,
        models=models,
        embedded=set(models) == {EMBEDDED},
    )


def first_base(lineage: ModelLineage | None) -> ModelLineage | None:
    """Return the record that names the model from which all training started."""
    if lineage is None:
        return None
    *_, first = ancestors(lineage)
    return first


def trained_on_the_pairs_of(summary: Summary, lineage: ModelLineage | None) -> bool:
    """Return True if a model was trained on the pairs and spans of the summary."""
    if lineage is None or not lineage.data:
        return False
    inputs = summary.provenance.inputs
    pairs = inputs.get("data/pairs.jsonl")
    spans = inputs.get("data/focal.jsonl")
    same_pairs: bool = lineage.data.get("pairs") == pairs
    same_spans: bool = lineage.data.get("spans") == spans
    return same_pairs and same_spans


def _model_fields(
    lineage: ModelLineage | None,
    first: ModelLineage | None,
    license: str | None,
) -> str:
    tags = ["code"]
    if lineage and lineage.objective:
        tags += ["preference-optimization", lineage.objective]
    fields: dict[str, Any] = {
        "license": license or "unknown",
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": tags,
    }
    if first and "/" in first.base:
        fields["base_model"] = first.base
    return str(ModelCardData(**fields).to_yaml())


def _start(first: ModelLineage | None) -> str:
    if first is None:
        return ""
    if first.base == EMBEDDED:
        return "a small model that this project trains from scratch"
    return f"`{first.base}`"


def _scores_of(summary: Summary, weights: str) -> list[ScoreRow]:
    """Return the scores of the model with these weights, under any name."""
    measured = summary.provenance.weights
    # The same weights may have been measured under two names, such as `base` and a training of no steps: one will do.
    names = [name for name, fingerprint in measured.items() if fingerprint == weights]
    if not names:
        return []
    return [row for row in score_rows(summary) if row.model == names[0] and not row.part]


def _data_set_fields(contents: DataSet, title: str) -> str:
    # Rows of two licenses have "other" on the hub, and one row without a license makes the whole unknown.
    licenses = {_find_license(origin) for origin in contents.origins}
    if None in licenses or not licenses:
        license = "unknown"
    elif len(licenses) == 1:
        license = str(licenses.pop()).lower()  # the hub knows "MIT" as "mit"
    else:
        license = "other"
    files = [{"split": TRAIN, "path": f"{DATA}/{TRAIN}.parquet"}]
    return DatasetCardData(
        pretty_name=title,
        license=license,
        task_categories=["text-generation"],
        tags=["code", "preference", "dpo", "trl"],
        configs=[{"config_name": "default", "data_files": files}],
    ).to_yaml()


def _find_license(origin: Origin) -> str | None:
    """Return the license that a problem states; None if it states none."""
    return origin.license or (OWN_LICENSE if origin.source == COMPOSED else None)


def count(number: int, noun: str = "") -> str:
    """Return a number with grouped thousands and its noun, in the plural but for one.

    >>> count(1234), count(1234, "pair"), count(1, "pair")
    ('1,234', '1,234 pairs', '1 pair')
    """
    if not noun:
        return f"{number:,}"
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def setting(value: object) -> str:
    r"""Return a setting as it can stand in a cell of a table: one line, and no bar of its own.

    >>> setting(0.1), setting("a b")
    ('0.1', 'a b')
    >>> print(setting("\n\n"), setting("a|b"))
    `"\n\n"` a\|b
    """
    text = str(value)
    if text != text.strip() or not text.isprintable():
        text = f"`{json.dumps(text)}`"
    return text.replace("|", r"\|")


def _render(name: str, **context: Any) -> str:
    """Fill a template of Markdown, in which no text is escaped."""
    environment = Environment(
        loader=PackageLoader("iterpref_core.evaluation.sharing"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "benchmark_name": benchmark_name,
        "count": count,
        "difference": difference,
        "license_of": lambda origin: _find_license(origin) or "unknown: check",
        "percent": percent,
        "setting": setting,
    }
    return environment.get_template(name).render(**context).rstrip() + "\n"
