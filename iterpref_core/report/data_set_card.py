"""Data set card of exported pairs or problems: what the files themselves and the report's summary know of them.

Of pairs that are not the experiment's the summary says nothing, and what is not recorded is called unknown.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from iterpref_core.inference.local.checkpoints import EMBEDDED
from iterpref_core.records import COMPOSED
from iterpref_core.report.export_data_set import DATA, DataSet
from iterpref_core.report.model_card import UNKNOWN, contamination, params_digest
from iterpref_core.report.summary import Summary

LICENSES = {COMPOSED: "apache-2.0", "evalplus": "apache-2.0", "humaneval": "mit", "mbpp": "cc-by-4.0"}
"""Of sources: those of this project's problems, and of published sets as their cards on the Hugging Face hub state them
(`evalplus/humanevalplus`, `evalplus/mbppplus`, `openai/openai_humaneval`, `google-research-datasets/mbpp`)."""
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
"""As the hub names them."""
_PAIR_COLUMNS = """\
| column | holds |
|---|---|
| `task_id` | the problem, and `#` and a number where it has several pairs |
| `prompt` | the task |
| `chosen` | a program that passes the task's tests |
| `rejected` | a version that fails them |
"""
_SPAN_COLUMNS = """\
| `rejected_spans` | what is wrong in `rejected`: [start, end) in characters; null where none was found |
| `chosen_spans` | what stands in its place in `chosen` |
| `spans_method` | how these were found |
"""
_PROBLEM_COLUMNS = """\
| column | holds |
|---|---|
| `task_id`, `prompt`, `entry_point` | the task, and the name that its tests call |
| `tests` | shown to a model that debugs: each has a `kind` and the fields of that kind, the others are null |
| `hidden_tests` | as `tests`, for scoring alone |
| `reference` | a program that passes |
| `setup` | runs before the program |
| `source`, `features`, `split` | where the problem is from, what it is composed of, what it is for |
"""


def pairs_card(
    found: DataSet, title: str, summary: Summary | None, *, localized: bool, regions_known: bool, commit: str | None
) -> str:
    """Write README.md of pairs: YAML front matter for the hub, then the text.

    Args:
        found: what the data set holds.
        title: of the card.
        summary: the object of summary.json, where it is about these very pairs.
        localized: there are columns for spans.
        regions_known: the summary is about these very spans, too.
        commit: of this project's code, where the tree was clean.
    """
    total = sum(found.splits.values())
    parts = [
        _front(found, title, ["preference", "dpo", "trl"]),
        f"# {title}\n",
        f"{total:,} preference pairs of Python programs, in TRL's standard form: one that passes its task's tests, and",
        "a version of it that fails. Made by IterPref (arXiv 2503.02783).\n",
        _PAIR_COLUMNS + (_SPAN_COLUMNS if localized else ""),
        *_sources(found, "pairs"),
        *_filters(summary),
        *_regions(found, total, summary if regions_known else None, localized=localized),
        "## Contamination\n",
        *contamination(None if summary is None else summary.get("contamination") or {}),
        *_reproduction(summary, commit),
    ]
    return "\n".join(parts).rstrip() + "\n"


def problems_card(found: DataSet, title: str) -> str:
    """Write README.md of problems; `found` is what the data set holds."""
    total = sum(found.splits.values())
    kinds = ", ".join(f"{kind} {count:,}" for kind, count in found.tests.most_common())
    parts = [
        _front(found, title, ["unit-tests"]),
        f"# {title}\n",
        f"{total:,} Python programming problems with executable tests; {found.references:,} have a reference.\n",
        _PROBLEM_COLUMNS,
        *(f"- split `{split}`: {count:,} problems" for split, count in found.splits.items()),
        f"- with tests of kind: {kinds or 'none'}\n",
        "Nobody should train on the splits `heldout` and `validation`: models are measured on them.\n"
        if {"heldout", "validation"} & found.splits.keys()
        else "",
        *_sources(found, "problems"),
    ]
    return "\n".join(parts).rstrip() + "\n"


def _front(found: DataSet, title: str, tags: list[str]) -> str:
    total = sum(found.splits.values())
    licenses = {_license(source) for source in found.sources}
    files = [{"split": split, "path": f"{DATA}/{split}.parquet"} for split in found.splits]
    fields: dict[str, Any] = {
        "pretty_name": title,
        "license": licenses.pop() if len(licenses) == 1 else "other" if None not in licenses else None,
        "task_categories": ["text-generation"],
        "tags": ["code", *tags],
        "size_categories": [next((name for limit, name in SIZES if total < limit), "1M<n<10M")],
        "configs": [{"config_name": "default", "data_files": files}],
    }
    fields["license"] = fields["license"] or "unknown"
    return f"---\n{yaml.safe_dump(fields, sort_keys=False, allow_unicode=True)}---\n"


def _license(source: str | None) -> str | None:
    return LICENSES.get(source or "")


def _sources(found: DataSet, what: str) -> Iterator[str]:
    yield "## Sources and licenses\n"
    for source, count in sorted(found.sources.items(), key=lambda item: (-item[1], item[0] or "")):
        name = source or "of a source that is not recorded"
        yield f"- {name}: {count:,} {what}, license {_license(source) or UNKNOWN}"
    yield ""


def _filters(summary: Summary | None) -> Iterator[str]:
    yield "## How the pairs were chosen\n"
    if summary is None:
        yield "Unknown: nothing is recorded of these very pairs.\n"
        return
    flow, params = summary["codeflow"], summary["provenance"]["params"]
    models = [params["model"][role] for role in ("student", "debugger")]
    if set(models) == {EMBEDDED}:
        yield f"From {flow['problems']:,} problems; the programs are by small models that IterPref trains from scratch."
    else:
        yield f"From {flow['problems']:,} problems, drafted by `{models[0]}` and repaired by `{models[1]}`, whose own"
        yield "licenses and terms were not looked at."
    dropped = {reason: number for reason, number in flow["dropped"].items() if number}
    yield f"Dropped, by reason:{'' if dropped else ' none.'}\n"
    yield from (f"- {reason}: {number:,.0f}" for reason, number in dropped.items())
    yield f"\n{_settings(params['pairs'])}\n"


def _regions(found: DataSet, total: int, summary: Summary | None, *, localized: bool) -> Iterator[str]:
    yield "## Error regions\n"
    if not localized:
        yield "None are marked.\n"
        return
    yield from (f"- {count:,} pairs by `{method}`" for method, count in Counter(found.methods).most_common())
    if without := total - found.methods.total():
        yield f"- {without:,} pairs without one"
    yield f"\n{_settings(summary['provenance']['params']['localization']) if summary else 'Settings: unknown.'}\n"


def _settings(params: Mapping[str, Any]) -> str:
    def shown(value: Any) -> str:
        return ", ".join(map(str, value)) if isinstance(value, list) else "none" if value is None else str(value)

    return "Settings: " + "; ".join(f"`{name}` {shown(value)}" for name, value in params.items()) + "."


def _reproduction(summary: Summary | None, commit: str | None) -> Iterator[str]:
    if summary is None:
        return
    source = summary["provenance"]
    yield "## How to reproduce\n"
    yield "`dvc repro localization` with the same code and parameters.\n"
    yield f"- code: {f'git commit `{commit}`' if commit else 'no commit (the tree had changes, or no git)'}"
    yield f"- parameters: SHA-256 `{params_digest(source['params'])}`"
    wanted = ("data/problems.jsonl", "data/trajectories.jsonl", "data/pairs.jsonl", "data/focal.jsonl")
    yield from (f"- `{name}`: MD5 `{source['inputs'][name]}` (DVC)" for name in wanted if name in source["inputs"])
    yield from (f"- {name} {version}" for name, version in source["versions"].items())
