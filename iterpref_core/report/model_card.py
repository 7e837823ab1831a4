"""Model card of an exported model: what the record beside its weights and the report's summary know of it.

It says nothing that was not recorded of these very weights.
"""

import hashlib
import json
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from iterpref_core.inference.local.checkpoints import EMBEDDED
from iterpref_core.inference.local.model_lineage import LINEAGE, ancestors
from iterpref_core.records import ModelLineage
from iterpref_core.report.labels import BENCHMARKS, benchmark_name, in_order, model_name
from iterpref_core.report.number_formats import percent
from iterpref_core.report.score_rows import Difference
from iterpref_core.report.summary import Summary

UNKNOWN = "unknown: check"
NO_SUMMARY: Summary = {"models": {}, "comparisons": {}, "provenance": {"inputs": {}}}
"""Of a model that no report is about: its card says what its record says."""


def model_card(
    summary: Summary | None,
    title: str,
    lineage: ModelLineage | None,
    weights: str,
    *,
    license: str | None,
    sources: Mapping[str, int],
    commit: str | None,
) -> str:
    """Write README.md: YAML front matter for the hub, then the text.

    Args:
        summary: the object of summary.json, where there is one; what it says of other models and pairs is left out.
        title: of the card.
        lineage: the record beside the model's weights; without one nothing is known of its training.
        weights: the model's fingerprint, by which the summary names what it has scores of.
        license: of the base model, where it is known.
        sources: source of problems → how many.
        commit: of this project's code, where the tree was clean.
    """
    summary = summary or NO_SUMMARY
    parts = [
        _front(lineage, license),
        f"# {title}\n",
        "\n".join(_about(lineage, license)),
        "\n".join(_data(summary, lineage, sources)),
        "\n".join(_hyperparameters(lineage)),
        "\n".join(_scores(summary, lineage, weights)),
        "## Contamination\n",
        "\n".join(
            contamination(summary.get("contamination") or {} if trained_on_the_pairs_of(summary, lineage) else None)
        ),
        "\n".join(_reproduction(summary, lineage, weights, commit)),
    ]
    return "\n".join(parts) + "\n"


def params_digest(params: Mapping[str, Any]) -> str:
    """SHA-256 of all parameters, whatever their order."""
    return hashlib.sha256(json.dumps(params, sort_keys=True).encode()).hexdigest()


def first_base(lineage: ModelLineage | None) -> ModelLineage | None:
    """The record that names the model all training started from."""
    return deque(ancestors(lineage), maxlen=1)[0] if lineage else None


def trained_on_the_pairs_of(summary: Summary, lineage: ModelLineage | None) -> bool:
    """Whether a model's pairs and spans are those that the summary is about."""
    inputs = summary["provenance"]["inputs"]
    files = {"pairs": "data/pairs.jsonl", "spans": "data/focal.jsonl"}
    data = lineage.data if lineage else {}
    return bool(data) and all(data.get(name) == inputs.get(path) for name, path in files.items())


def _front(lineage: ModelLineage | None, license: str | None) -> str:
    first = first_base(lineage)
    fields: dict[str, Any] = {
        "license": license or "unknown",
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["code", *(["preference-optimization", lineage.objective] if lineage and lineage.objective else [])],
    }
    if first and "/" in first.base:
        fields["base_model"] = first.base
    return f"---\n{yaml.safe_dump(fields, sort_keys=False)}---\n"


def _about(lineage: ModelLineage | None, license: str | None) -> Iterator[str]:
    first = first_base(lineage)
    if lineage is None or first is None:
        yield f"How it was trained is unknown: no `{LINEAGE}` stands beside its weights.\n"
        yield f"License of the base model: {license or UNKNOWN}.\n"
        return
    embedded = first.base == EMBEDDED
    start = "a small model that this project trains from scratch" if embedded else f"`{first.base}`"
    steps = [f"{model_name(one.objective)} ({one.objective})" for one in ancestors(lineage) if one.objective]
    if steps:
        yield f"Trained with {', then '.join(reversed(steps))} from {start}, after IterPref (arXiv 2503.02783).\n"
    else:
        yield f"This is {start}, without preference training.\n"
    if embedded:
        yield "No other model's license applies to it.\n"
    else:
        yield f"License of the base model: {license or UNKNOWN}.\n"


def _data(summary: Summary, lineage: ModelLineage | None, sources: Mapping[str, int]) -> Iterator[str]:
    yield "## Data\n"
    if lineage is None:
        yield "Unknown.\n"
        return
    if lineage.pairs is None:
        yield "No preference pairs.\n"
        return
    known = trained_on_the_pairs_of(summary, lineage)
    whence = f"{summary['codeflow']['problems']:,} problems" if known else "problems that are not recorded"
    yield f"{lineage.pairs:,} preference pairs from {whence}; each is a program that passes its"
    yield "problem's tests, and a version of it that fails.\n"
    if known:
        yield from (f"- {name}: {number:,} problems" for name, number in sources.items())
        dropped = ", ".join(
            f"{reason} {number:,}" for reason, number in summary["codeflow"]["dropped"].items() if number
        )
        yield f"- dropped: {dropped or 'none'}\n"


def _hyperparameters(lineage: ModelLineage | None) -> Iterator[str]:
    yield "## Hyperparameters\n"
    if lineage is None:
        yield "Unknown.\n"
        return
    yield "| setting | value |"
    yield "|---|---|"
    yield f"| steps | {lineage.steps} |"
    if lineage.model_step not in (None, lineage.steps):
        yield f"| step of these weights | {lineage.model_step} |"
    yield from (f"| {name} | {value} |" for name, value in lineage.settings.items() if value is not None)
    yield f"| localization.method | {', '.join(lineage.localization) or 'none'} |\n"


def _scores(summary: Summary, lineage: ModelLineage | None, weights: str) -> Iterator[str]:
    yield "## Scores\n"
    measured = summary["provenance"].get("weights", {})
    model = next((name for name, found in measured.items() if found == weights), None)
    scores = summary["models"].get(model, {})
    if not scores:
        yield "Not measured: no report has scores of exactly these weights.\n"
        return
    # The experiment's base is this model's only where training started from these very weights.
    started_there = lineage is not None and lineage.base_weights == measured.get("base")
    yield "pass@1 with 95% intervals; differences are paired, p by the exact McNemar test (sign flips, with"
    yield "several samples of a task).\n"
    yield "| benchmark | tasks | base | this model | against base |"
    yield "|---|---|---|---|---|"
    compared = summary["comparisons"].get(model, {}).get("base", {}) if started_there else {}
    for name in in_order(set(scores), BENCHMARKS):
        own, base = scores[name], summary["models"].get("base", {}).get(name) if started_there else None
        for part, label in (("", ""), ("without_failed_truth", " ¹"), ("without_overlap", " ²")):
            here, before = (every if not part or every is None else every.get(part) for every in (own, base))
            if here is None:
                continue
            found = compared.get(name, {}) if not part else compared.get(name, {}).get(part, {})
            cells = _score(before), _score(here), str(Difference.of(found)) if found else "–"
            yield f"| {benchmark_name(name)}{label} | {here['n']} | {' | '.join(cells)} |"
    yield ""
    parts = {part for found in scores.values() for part in found}
    if "without_failed_truth" in parts:
        yield "¹ without the tasks whose own solution fails on the machine that measured.\n"
    if "without_overlap" in parts:
        yield "² without the tasks that training pairs share something with.\n"


def _score(scores: Mapping[str, Any] | None) -> str:
    if scores is None:
        return "–"
    low, high = (percent(end) for end in scores["ci95"])
    return f"{percent(scores['pass_at_1'])} [{low}, {high}]"


def contamination(found: Mapping[str, Any] | None) -> Iterator[str]:
    """Lines of a card about what pairs share with benchmarks.

    Args:
        found: as stage `pairs` wrote it, empty where nothing was looked for; None where it is about other pairs.
    """
    if found is None:
        yield "Unknown.\n"
        return
    if not found:
        yield "Not checked.\n"
        return
    kept = found["pairs"] - found["dropped"]
    yield f"{found['pairs']:,} pairs share something with a benchmark task; {kept:,} of them were kept.\n"
    for name, overlap in found["benchmarks"].items():
        yield f"- {name}: {overlap['pairs']:,} pairs, {len(overlap['overlapping']):,} of {overlap['tasks']:,} tasks"
    yield from (f"- {name}: not looked at ({reason})" for name, reason in found["absent"].items())
    yield ""


def _reproduction(summary: Summary, lineage: ModelLineage | None, weights: str, commit: str | None) -> Iterator[str]:
    source = summary["provenance"]
    yield "## How to reproduce\n"
    if lineage is None:
        yield "Unknown.\n"
        return
    if trained_on_the_pairs_of(summary, lineage) and weights in source.get("weights", {}).values():
        yield "`dvc repro` with the same code and parameters.\n"
        yield f"- code: {f'git commit `{commit}`' if commit else 'no commit (the tree had changes, or no git)'}"
        yield f"- parameters: SHA-256 `{params_digest(source['params'])}`"
        yield from (f"- `{name}`: MD5 `{md5}` (DVC)" for name, md5 in source["inputs"].items())
        yield from (f"- benchmark data {name}: SHA-256 `{digest}`" for name, digest in source["data"].items())
        yield f"- programs ran under {source['isolation'] or 'no recorded isolation'}"
    else:
        yield from (f"- {name}: MD5 `{md5}`" for name, md5 in lineage.data.items())
    yield from (f"- {name} {version}" for name, version in lineage.versions.items())
