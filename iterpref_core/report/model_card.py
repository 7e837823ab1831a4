"""Model card of an exported model, from the report's summary; it says nothing that was not measured."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from iterpref_core.objectives.objectives import OBJECTIVES
from iterpref_core.report.labels import BENCHMARKS, benchmark_name, in_order, model_name
from iterpref_core.report.number_formats import difference, percent
from iterpref_core.report.summary import Summary

EMBEDDED = "nanolab"
"""The base that this project trains from scratch."""

UNKNOWN = "unknown: check"
SETTINGS = (
    *("beta", "epochs", "batch_size", "warmup_ratio", "max_prompt_length", "max_length", "nll", "answer"),
    *("bf16", "weights", "lora_rank", "lora_alpha", "seed", "select"),
)
"""Settings of training that the card names, beside the objective's own."""


def model_card(
    summary: Summary,
    model: str,
    title: str,
    *,
    license: str | None,
    sources: Mapping[str, int],
    commit: str | None,
) -> str:
    """Write README.md: YAML front matter for the hub, then the text.

    Args:
        summary: the object of summary.json.
        model: the model's name there, such as `target-rpo`.
        title: of the card.
        license: of the base model, where it is known.
        sources: source of problems → how many.
        commit: of this project's code, where the tree was clean.
    """
    parts = [
        _front(summary, model, license),
        f"# {title}\n",
        "\n".join(_about(summary, model, license)),
        "\n".join(_data(summary, sources)),
        "\n".join(_hyperparameters(summary, model)),
        "\n".join(_scores(summary, model)),
        "\n".join(_contamination(summary)),
        "\n".join(_reproduction(summary, commit)),
    ]
    return "\n".join(parts) + "\n"


def params_digest(params: Mapping[str, Any]) -> str:
    """SHA-256 of all parameters, whatever their order."""
    return hashlib.sha256(json.dumps(params, sort_keys=True).encode()).hexdigest()


def _base(summary: Summary) -> str:
    base: str = summary["provenance"]["params"]["model"]["student"]
    return base


def _front(summary: Summary, model: str, license: str | None) -> str:
    base = _base(summary)
    fields: dict[str, Any] = {
        "license": license or "unknown",
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["code", "preference-optimization", model],
    }
    if base != EMBEDDED and "/" in base and not base.startswith((".", "/", "~")):
        fields["base_model"] = base
    return f"---\n{yaml.safe_dump(fields, sort_keys=False)}---\n"


def _about(summary: Summary, model: str, license: str | None) -> Iterator[str]:
    base = _base(summary)
    start = "a small model that the project trains from scratch" if base == EMBEDDED else f"`{base}`"
    yield f"Trained with {model_name(model)} ({model}) from {start}, after IterPref (arXiv 2503.02783).\n"
    if base == EMBEDDED:
        yield "No other model's license applies to it.\n"
    else:
        yield f"License of the base model: {license or UNKNOWN}.\n"


def _data(summary: Summary, sources: Mapping[str, int]) -> Iterator[str]:
    flow = summary["codeflow"]
    yield "## Data\n"
    yield f"{flow['pairs']:,} preference pairs from {flow['problems']:,} problems; each is a program that passes its"
    yield "problem's tests, and a version of it that fails.\n"
    yield from (f"- {name}: {number:,} problems" for name, number in sources.items())
    dropped = ", ".join(f"{reason} {number:,}" for reason, number in flow["dropped"].items() if number)
    yield f"- dropped: {dropped or 'none'}\n"


def _hyperparameters(summary: Summary, model: str) -> Iterator[str]:
    train = summary["provenance"]["params"]["training"]
    yield "## Hyperparameters\n"
    yield "| setting | value |"
    yield "|---|---|"
    row, stated = OBJECTIVES.get(model), train["objectives"].get(model, {})
    own = {"learning_rate": row.learning_rate, "alpha": row.alpha} | stated if row else stated
    yield from (f"| {name} | {value} |" for name, value in own.items())
    yield from (f"| {name} | {train[name]} |" for name in SETTINGS)
    yield f"| localization.method | {summary['provenance']['params']['localization']['method']} |\n"


def _scores(summary: Summary, model: str) -> Iterator[str]:
    yield "## Scores\n"
    scores = summary["models"].get(model, {})
    if not scores:
        yield "Not measured.\n"
        return
    yield "pass@1 with 95% intervals; differences are paired, p by the exact McNemar test (sign flips, with"
    yield "several samples of a task).\n"
    yield "| benchmark | tasks | base | this model | against base |"
    yield "|---|---|---|---|---|"
    compared = summary["comparisons"].get(model, {}).get("base", {})
    for name in in_order(set(scores), BENCHMARKS):
        own, base = scores[name], summary["models"].get("base", {}).get(name)
        for part, label in (("", ""), ("without_failed_truth", " ¹"), ("without_overlap", " ²")):
            here, before = (every if not part or every is None else every.get(part) for every in (own, base))
            if here is None:
                continue
            found = compared.get(name, {}) if not part else compared.get(name, {}).get(part, {})
            cells = _score(before), _score(here), difference(found) if found else "–"
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


def _contamination(summary: Summary) -> Iterator[str]:
    yield "## Contamination\n"
    found = summary.get("contamination") or {}
    if not found:
        yield "Not looked for.\n"
        return
    kept = found["pairs"] - found["dropped"]
    yield f"{found['pairs']:,} pairs share something with a benchmark task; {kept:,} of them were trained on.\n"
    for name, overlap in found["benchmarks"].items():
        yield f"- {name}: {overlap['pairs']:,} pairs, {len(overlap['overlapping']):,} of {overlap['tasks']:,} tasks"
    yield from (f"- {name}: not looked at ({reason})" for name, reason in found["absent"].items())
    yield ""


def _reproduction(summary: Summary, commit: str | None) -> Iterator[str]:
    source = summary["provenance"]
    yield "## How to reproduce\n"
    yield "`dvc repro` with the same code and parameters.\n"
    yield f"- code: {f'git commit `{commit}`' if commit else 'no commit (the tree had changes, or no git)'}"
    yield f"- parameters: SHA-256 `{params_digest(source['params'])}`"
    yield from (f"- `{name}`: MD5 `{md5}` (DVC)" for name, md5 in source["inputs"].items())
    yield from (f"- benchmark data {name}: SHA-256 `{digest}`" for name, digest in source["data"].items())
    yield from (f"- {name} {version}" for name, version in source["versions"].items())
    yield f"- programs ran under {source['isolation'] or 'no recorded isolation'}"
