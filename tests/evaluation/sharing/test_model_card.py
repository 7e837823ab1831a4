"""The model card: what was recorded of these very weights, and nothing else."""

import json

from iterpref_core.evaluation.sharing.cards import model_card
from iterpref_core.records import ModelLineage, parse_yaml
from tests.settings import changed

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
    data={"pairs": "fed"},
    versions={"torch": "2.13.0"},
    commit="0123abc",
    before=EMBEDDED,
)
QWEN = changed(TRAINED, base="Qwen/Qwen2.5-Coder-7B", revision="c0ffee", before=None)


def card(summary, lineage=TRAINED, weights="of target-rpo", license=None):
    """The card of a model; the summary is about the spans of `TRAINED`."""
    summary.provenance.inputs["data/focal.jsonl"] = "fed"
    return model_card(summary, "My model", lineage, weights, license=license, sources={"synthetic": 100})


def test_scores_are_next_to_the_base_and_training_is_told_from_the_record_beside_the_weights(experiment):
    summary = experiment.summarize()
    text = card(summary)
    low, high = summary.comparisons["target-rpo"]["base"]["heldout"].ci95
    difference = f"+45.0 [+{100 * low:.1f}, +{100 * high:.1f}] | <0.001 | 100 [95, 100] |"
    own = next(line for line in text.splitlines() if line.startswith("| held-out   | this model"))
    assert " ".join(own.split()) == f"| held-out | this model | 200 | 80.0 | [74.0, 86.0] | {difference}"
    assert "| held-out   | base       | 200   | 35.0   | [29.0, 41.0] | –" in text
    assert "| MBPP+" not in text
    for line in (
        "Trained with Target-RPO (target-rpo) from a small model that this project trains from scratch",
        *('"problems": 100', '"synthetic": 100', '"learning_rate": 0.000321', '"steps": 15', '"model_step": 10'),
        *('"commit": "0123abc"', '"cosmetic": 7', '"data/pairs.jsonl": "0123abc"'),
        '"isolation": "bubblewrap+landlock+seccomp"',
    ):
        assert line in text, line
    assert "None" not in text
    sft = changed(TRAINED, objective="sft")
    twice = changed(TRAINED, objective="dpo", before=sft)
    assert "Trained with SFT on chosen (sft), then DPO (dpo) from a small" in card(experiment.summarize(), twice)


def test_what_is_not_recorded_of_these_weights_is_unknown(experiment):
    summary = experiment.summarize()
    untrained = card(summary, EMBEDDED, "of base")
    assert "This is a small model that this project trains from scratch, without preference training." in untrained
    assert "this model | 200   | 35.0   | [29.0, 41.0] |" in untrained
    assert "| base " not in untrained
    nothing = card(summary, None, "other")
    assert "How it was trained is unknown: there is no `lineage.json` next to its weights." in nothing
    assert "Not measured: no report has scores of exactly these weights." in nothing
    other = card(summary, changed(TRAINED, pairs=1, data={"pairs": "77"}), "other")
    for text in (untrained, nothing, other):
        assert "There is no record of how the pairs were made." in text
        assert "cosmetic" not in text


def test_the_front_matter_is_yaml_and_an_unknown_license_is_called_that(experiment):
    _, front, text = card(experiment.summarize(), QWEN).split("---\n", 2)
    fields = parse_yaml(front)
    assert (fields["license"], fields["base_model"]) == ("unknown", "Qwen/Qwen2.5-Coder-7B")
    assert fields["tags"] == ["code", "preference-optimization", "target-rpo"]
    assert "License of the base model: unknown: check." in text
    known = card(experiment.summarize(), QWEN, license="apache-2.0")
    assert "license: apache-2.0\n" in known
    assert "base_model" not in card(experiment.summarize(), changed(QWEN, base="mine")).split("---\n")[1]


def test_overlap_with_benchmarks_and_tasks_that_ran_inside_are_counted(experiment):
    heldout = {"file": "tasks.jsonl", "tasks": 200, "pairs": 3, "examples": [], "overlapping": ["task/0000"]}
    found = {"pairs": 3, "dropped": 2, "benchmarks": {"heldout": heldout}, "absent": {"mbpp": "not set"}}
    experiment.files.contamination.write_text(json.dumps(found))
    text = card(experiment.summarize())
    record = json.loads(text.split("```json\n")[2].split("```")[0])
    assert record["contamination"] == found | {"benchmarks": {"heldout": {"tasks": 200, "pairs": 3}}}
    assert "the program's own process" not in text
    experiment.mark_inside()
    assert "held-out: tests of 12 of 200 tasks ran in the program's own process" in card(experiment.summarize())
