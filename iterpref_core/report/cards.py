"""Cards of what is exported, as the Hugging Face hub reads them: of a model, of pairs, of problems.

They say nothing that was not recorded of these very weights or files; what is not recorded is called unknown.
"""

from collections import deque
from collections.abc import Mapping
from typing import Any

from huggingface_hub import DatasetCardData, ModelCardData
from jinja2 import Environment, PackageLoader, StrictUndefined

from iterpref_core.inference.local.checkpoints import EMBEDDED
from iterpref_core.inference.local.model_lineage import LINEAGE, ancestors
from iterpref_core.records import COMPOSED, ModelLineage
from iterpref_core.report.export_data_set import DATA, DataSet
from iterpref_core.report.labels import benchmark_name, model_name
from iterpref_core.report.number_formats import percent
from iterpref_core.report.score_rows import ScoreRow, score_rows
from iterpref_core.report.summary import Summary

LICENSES = {COMPOSED: "apache-2.0", "evalplus": "apache-2.0", "humaneval": "mit", "mbpp": "cc-by-4.0"}
"""Of sources: those of this project's problems, and of published sets as their cards on the Hugging Face hub state them
(`evalplus/humanevalplus`, `evalplus/mbppplus`, `openai/openai_humaneval`, `google-research-datasets/mbpp`)."""
MARKS = {"": "", "without_failed_truth": " ¹", "without_overlap": " ²"}
"""Parts of a benchmark that a model's card has scores of."""


def model_card(
    summary: Summary | None,
    title: str,
    lineage: ModelLineage | None,
    weights: str,
    *,
    license: str | None,
    sources: Mapping[str, int],
) -> str:
    """README.md of a model.

    Args:
        summary: the object of summary.json, where there is one; what it says of other models and pairs is left out.
        title: of the card.
        lineage: the record beside the model's weights; without one nothing is known of its training.
        weights: the model's fingerprint, by which the summary names what it has scores of.
        license: of the base model, where it is known.
        sources: source of problems → how many.
    """
    first = first_base(lineage)
    fields: dict[str, Any] = {
        "license": license or "unknown",
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["code", *(["preference-optimization", lineage.objective] if lineage and lineage.objective else [])],
    }
    if first and "/" in first.base:
        fields["base_model"] = first.base
    scores = _scores_of(summary, weights) if summary else []
    known = summary is not None and trained_on_the_pairs_of(summary, lineage)
    measured = summary["provenance"].get("weights", {}) if summary else {}
    started_there = lineage is not None and lineage.base_weights == measured.get("base")
    base = {(row.benchmark, row.part): row for row in score_rows(summary) if row.model == "base"} if summary else {}
    trained = [step.objective for step in ancestors(lineage) if step.objective] if lineage else []
    return _render(
        "model_card.md",
        data=ModelCardData(**fields).to_yaml(),
        title=title,
        lineage=lineage,
        lineage_file=LINEAGE,
        start=_start(first),
        embedded=first is not None and first.base == EMBEDDED,
        license=license,
        steps=[f"{model_name(objective)} ({objective})" for objective in reversed(trained)],
        summary=summary if known else None,
        sources=sources,
        scores=scores,
        base=base if started_there else {},
        measured=known and weights in measured.values(),
    )


def pairs_card(contents: DataSet, title: str, summary: Summary | None, *, localized: bool, regions_known: bool) -> str:
    """README.md of pairs.

    Args:
        contents: what the data set holds.
        title: of the card.
        summary: the object of summary.json, where it is about these very pairs.
        localized: there are columns for spans.
        regions_known: the summary is about these very spans, too.
    """
    models = [summary["provenance"]["params"]["model"][role] for role in ("student", "debugger")] if summary else []
    return _render(
        "pairs_card.md",
        data=_data_set_fields(contents, title, ["preference", "dpo", "trl"]),
        title=title,
        contents=contents,
        summary=summary,
        localized=localized,
        regions_known=regions_known,
        models=models,
        embedded=set(models) == {EMBEDDED},
    )


def problems_card(contents: DataSet, title: str) -> str:
    """README.md of problems; `contents` is what the data set holds."""
    fields = _data_set_fields(contents, title, ["unit-tests"])
    return _render("problems_card.md", data=fields, title=title, contents=contents)


def first_base(lineage: ModelLineage | None) -> ModelLineage | None:
    """The record that names the model all training started from."""
    return deque(ancestors(lineage), maxlen=1)[0] if lineage else None


def trained_on_the_pairs_of(summary: Summary, lineage: ModelLineage | None) -> bool:
    """Whether a model's pairs and spans are those that the summary is about."""
    inputs, data = summary["provenance"]["inputs"], lineage.data if lineage else {}
    files = {"pairs": "data/pairs.jsonl", "spans": "data/focal.jsonl"}
    return bool(data) and all(data.get(name) == inputs.get(path) for name, path in files.items())


def _start(first: ModelLineage | None) -> str:
    if first is None:
        return ""
    return "a small model that this project trains from scratch" if first.base == EMBEDDED else f"`{first.base}`"


def _scores_of(summary: Summary, weights: str) -> list[ScoreRow]:
    """The scores of the model with these weights, under whatever name it was measured."""
    measured = summary["provenance"].get("weights", {})
    names = [name for name, fingerprint in measured.items() if fingerprint == weights][:1]
    return [row for row in score_rows(summary) if row.model in names and row.part in MARKS]


def _data_set_fields(contents: DataSet, title: str, tags: list[str]) -> str:
    licenses = {LICENSES.get(source or "") for source in contents.sources}
    license = licenses.pop() or "unknown" if len(licenses) == 1 else "unknown" if None in licenses else "other"
    files = [{"split": split, "path": f"{DATA}/{split}.parquet"} for split in contents.splits]
    return DatasetCardData(
        pretty_name=title,
        license=license,
        task_categories=["text-generation"],
        tags=["code", *tags],
        configs=[{"config_name": "default", "data_files": files}],
    ).to_yaml()


def _render(name: str, **context: Any) -> str:
    """A card of Markdown, which nothing is escaped in."""
    environment = Environment(
        loader=PackageLoader("iterpref_core.report"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "benchmark_name": benchmark_name,
        "count": "{:,}".format,
        "license_of": lambda source: LICENSES.get(source or "", "unknown: check"),
        "marks": MARKS,
        "percent": percent,
    }
    return environment.get_template(name).render(**context).rstrip() + "\n"
