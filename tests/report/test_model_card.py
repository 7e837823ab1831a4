"""The model card: what was measured, and nothing else."""

import json
from types import SimpleNamespace
from typing import Any

import yaml

from iterpref_core.report.model_card import model_card
from iterpref_core.report.summary import Summary, build_summary


def summary_of(experiment: SimpleNamespace, student: str = "nanolab", found: dict[str, Any] | None = None) -> Summary:
    path = experiment.root / "contamination.json"
    path.write_text(json.dumps(found))
    summary = build_summary(
        experiment.results, experiment.metrics, experiment.params, experiment.lock, path if found else None
    )
    summary["provenance"]["params"]["model"]["student"] = student
    return summary


def card(summary: Summary, model: str = "target-rpo", license: str | None = None, commit: str | None = None) -> str:
    return model_card(summary, model, "My model", license=license, sources={"synthetic": 100}, commit=commit)


def test_scores_stand_beside_the_base_with_intervals_and_p(experiment: SimpleNamespace) -> None:
    summary = summary_of(experiment)
    text = card(summary)
    low, high = summary["comparisons"]["target-rpo"]["base"]["heldout"]["ci95"]
    difference = f"+45.0 [+{100 * low:.1f}, +{100 * high:.1f}], p < 0.001"
    assert f"| held-out | 200 | 35.0% [29.0%, 41.0%] | 80.0% [74.0%, 86.0%] | {difference} |" in text
    assert "MBPP+" not in text
    assert "80 preference pairs from 100 problems" in text
    assert "- synthetic: 100 problems" in text
    rate = summary["provenance"]["params"]["training"]["objectives"]["target-rpo"]["learning_rate"]
    assert f"| learning_rate | {rate} |" in text
    assert "Not looked for." in text


def test_the_front_matter_is_yaml_and_an_unknown_license_is_called_that(experiment: SimpleNamespace) -> None:
    _, front, text = card(summary_of(experiment, "Qwen/Qwen2.5-Coder-7B")).split("---\n", 2)
    fields = yaml.safe_load(front)
    assert (fields["license"], fields["base_model"]) == ("unknown", "Qwen/Qwen2.5-Coder-7B")
    assert "License of the base model: unknown: check." in text
    known = card(summary_of(experiment, "Qwen/Qwen2.5-Coder-7B"), license="apache-2.0")
    assert "license: apache-2.0\n" in known
    assert "base_model" not in card(summary_of(experiment, "/models/mine"))


def test_contamination_and_the_way_to_reproduce_are_told(experiment: SimpleNamespace) -> None:
    found = {
        "pairs": 3,
        "dropped": 3,
        "benchmarks": {"heldout": {"sha256": "0", "pairs": 3, "tasks": 200, "overlapping": ["task/0000"]}},
        "absent": {"livecodebench": "LIVECODEBENCH_OVERRIDE_PATH is not set"},
    }
    text = card(summary_of(experiment, found=found), commit="abc123")
    assert "3 pairs share something with a benchmark task; 0 of them were trained on." in text
    assert "- heldout: 3 pairs, 1 of 200 tasks" in text
    assert "- livecodebench: not looked at (LIVECODEBENCH_OVERRIDE_PATH is not set)" in text
    assert "| held-out ² | 199 |" in text
    assert "- code: git commit `abc123`" in text
    assert "- `data/pairs.jsonl`: MD5 `0123abc` (DVC)" in text


def test_a_model_that_was_not_measured_has_no_scores(experiment: SimpleNamespace) -> None:
    assert "## Scores\n\nNot measured." in card(summary_of(experiment), model="mine")
