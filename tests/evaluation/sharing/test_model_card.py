"""The model card: what was recorded of these very weights, and nothing else."""

import json
import re

from iterpref_core.evaluation.report.summary import build_summary
from iterpref_core.evaluation.sharing.cards import model_card
from iterpref_core.records import ModelLineage
from iterpref_core.records.input_files import parse_yaml
from tests.evaluation.report.conftest import mark_inside, overlap_of

EMBEDDED = ModelLineage(base="nanolab", steps=75, settings={"student_steps": 75}, versions={"torch": "2"})
TRAINED = ModelLineage(
    base="student",
    base_weights="of base",
    objective="target-rpo",
    settings={"learning_rate": 0.000321, "beta": 0.1, "lora_alpha": None},
    pairs=72,
    steps=15,
    model_step=10,
    localization=("token",),
    data={"pairs": "0123abc", "spans": "fed"},
    versions={"torch": "2.13.0"},
    before=EMBEDDED,
)
QWEN = TRAINED.model_copy(update={"base": "Qwen/Qwen2.5-Coder-7B", "revision": "c0ffee", "before": None})


def summary_of(experiment, found=None):
    path = experiment.root / "contamination.json"
    path.write_text(json.dumps(found))
    for file in experiment.results.glob("*/results.json"):
        results = json.loads(file.read_text())
        file.write_text(json.dumps(results | {"weights": f"of {results['model']}"}))
    summary = build_summary(
        experiment.results, experiment.metrics, experiment.params, experiment.lock, path if found else None, None
    )
    summary.provenance.inputs["data/focal.jsonl"] = "fed"
    return summary


def card(summary, lineage=TRAINED, weights="of target-rpo", license=None):
    return model_card(summary, "My model", lineage, weights, license=license, sources={"synthetic": 100})


def test_scores_stand_beside_the_base_with_intervals_and_p(experiment):
    summary = summary_of(experiment)
    text = card(summary)
    low, high = summary.comparisons["target-rpo"]["base"]["heldout"].ci95
    difference = f"+45.0 [+{100 * low:.1f}, +{100 * high:.1f}], p < 0.001"
    assert f"| held-out | 200 | 35.0% [29.0%, 41.0%] | 80.0% [74.0%, 86.0%] | {difference} |" in text
    assert "MBPP+" not in text
    assert "Not checked." in text


def test_training_is_told_from_the_record_beside_the_weights(experiment):
    text = card(summary_of(experiment))
    for line in (
        "Trained with Target-RPO (target-rpo) from a small model that this project trains from scratch",
        "72 preference pairs from 100 problems",
        "- synthetic: 100 problems",
        *("| learning_rate | 0.000321 |", "| steps | 15 |", "| step of these weights | 10 |"),
        "| localization.method | token |",
    ):
        assert line in text
    assert "None" not in text
    sft = TRAINED.model_copy(update={"objective": "sft"})
    twice = TRAINED.model_copy(update={"objective": "dpo", "before": sft})
    assert "Trained with SFT on chosen (sft), then DPO (dpo) from a small" in card(summary_of(experiment), twice)


def test_a_card_has_one_line_a_setting_and_no_plural_of_one(experiment):
    settings = {"separator": "\n\n", "prefix": "a|b"}
    text = card(summary_of(experiment), TRAINED.model_copy(update={"settings": settings, "pairs": 1}))
    assert '| separator | `"\\n\\n"` |\n| prefix | a\\|b |\n' in text
    assert "1 preference pair from" in text
    assert re.search(r"(?<![\d,.])1 (problems|pairs|tasks)", text) is None


def test_what_is_not_recorded_of_these_weights_is_unknown(experiment):
    summary = summary_of(experiment)
    untrained = card(summary, EMBEDDED, "of base")
    assert "This is a small model that this project trains from scratch, without preference training." in untrained
    assert "No preference pairs." in untrained
    assert "| held-out | 200 | – | 35.0% [29.0%, 41.0%] | – |" in untrained
    nothing = card(summary, None, "other")
    assert "How it was trained is unknown: there is no `lineage.json` beside its weights." in nothing
    assert nothing.count("Unknown.") == 4
    assert "Not measured: no report has scores of exactly these weights." in nothing
    other = card(summary, TRAINED.model_copy(update={"pairs": 1, "data": {"pairs": "77"}}), "other")
    assert "1 preference pair from unrecorded problems" in other
    for text in (untrained, nothing, other):
        assert not re.search("dropped|dvc repro|80 preference pairs", text)


def test_the_front_matter_is_yaml_and_an_unknown_license_is_called_that(experiment):
    _, front, text = card(summary_of(experiment), QWEN).split("---\n", 2)
    fields = parse_yaml(front)
    assert (fields["license"], fields["base_model"]) == ("unknown", "Qwen/Qwen2.5-Coder-7B")
    assert fields["tags"] == ["code", "preference-optimization", "target-rpo"]
    assert "License of the base model: unknown: check." in text
    known = card(summary_of(experiment), QWEN, license="apache-2.0")
    assert "license: apache-2.0\n" in known
    assert "base_model" not in card(summary_of(experiment), QWEN.model_copy(update={"base": "mine"}))


def test_contamination_and_the_way_to_reproduce_are_told(experiment):
    heldout = overlap_of(200, ["task/0000"], pairs=3)
    found = {"pairs": 3, "dropped": 2, "benchmarks": {"heldout": heldout}, "absent": {"mbpp": "not set"}}
    text = card(summary_of(experiment, found=found))
    assert "3 pairs overlap with a benchmark task; 1 of them kept." in text
    assert "- heldout: 3 pairs, 1 of 200 tasks" in text
    assert "- mbpp: not checked (not set)" in text
    assert "- `data/pairs.jsonl`: MD5 `0123abc` (DVC)" in text


def test_tasks_that_were_inside_are_counted(experiment):
    assert "run inside" not in card(summary_of(experiment))
    mark_inside(experiment)
    assert "- held-out: run inside 12 of 200 tasks;" in card(summary_of(experiment))
