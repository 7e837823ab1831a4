"""summary.json: the contract's fields, stable bytes, and what is missing named."""

import json
import shutil

import pytest

from iterpref_core.evaluation.report.summary_record import read_summary, write_summary
from iterpref_core.records import InputError
from tests.evaluation.report.conftest import change


def test_summary_has_the_fields_of_the_contract(experiment):
    path = experiment.root / "summary.json"
    gathered = experiment.summarize()
    write_summary(gathered, path)
    assert read_summary(path) == gathered
    summary = json.loads(path.read_text())
    codeflow = summary["codeflow"]
    assert codeflow["pass_rate_by_iteration"] == [0.1, 0.8, 0.9, 0.95, 0.96, 0.97]
    assert codeflow["dropped"] == {"cosmetic": 7, "solved_by_draft": 10, "unsolved": 3}
    assert (codeflow["problems"], codeflow["pairs"], codeflow["llm_calls"]) == (100, 80, 180)
    assert (codeflow["tokens"], codeflow["cost_usd"]) == (15_000, 0.0)
    assert (codeflow["calls_per_pair"], codeflow["cost_usd_per_pair"]) == (2.25, 0.0)
    heldout = summary["models"]["target-rpo"]["heldout"]
    assert sum(heldout.pop("exceptions").values()) == 20
    errors = {"wrong_answer": 20, "exception": 20}
    assert heldout == {"pass_at_1": 0.8, "ci95": [0.74, 0.8600000000000001], "n": 200, "samples": 200, "errors": errors}
    provenance = summary["provenance"]
    assert provenance["params"]["training"]["beta"] == experiment.params.training.beta
    assert provenance["inputs"] == {"data/pairs.jsonl": "0123abc"}
    assert provenance["data"].keys() == {"heldout", "humaneval", "humanevalplus"}
    assert provenance["isolation"] == "bubblewrap+landlock+seccomp"
    assert {"python", "torch"} <= provenance["versions"].keys()


def test_every_model_is_compared_with_base_and_focal_ones_with_every_baseline_on_all_tasks(experiment):
    truth = {"n": 200, "passed": 198, "failed": ["task/0003", "task/0041"]}
    change(experiment.files.results / "dpo/results.json", ground_truth=truth)
    summary = experiment.summarize()
    assert summary.ground_truth["heldout"].to_json() == truth, "the worst that any run saw"
    compared = summary.comparisons
    baselines = ["base", "dpo", "rpo", "sft"]
    focal = dict.fromkeys(("target-dpo", "target-rpo"), baselines)
    others = {name: ["base"] for name in ("sft", "dpo", "rpo", "debugger")}
    assert {name: sorted(against) for name, against in compared.items()} == others | focal
    against_rpo = compared["target-rpo"]["rpo"]["heldout"]
    assert (against_rpo.gained, against_rpo.lost, against_rpo.difference) == (20, 0, pytest.approx(0.1))
    lost = compared["dpo"]["base"]["heldout"]
    assert (lost.tasks_gained, lost.tasks_lost) == ((), tuple(f"task/{number:04}" for number in range(40, 70)))
    assert (lost.n, lost.lost, lost.gained) == (200, 30, 0)


def test_models_without_results_and_benchmarks_without_data_are_named(experiment):
    for model in ("sft", "rpo"):
        shutil.rmtree(experiment.files.results / model)
    experiment.files.lock.unlink()
    summary = experiment.summarize(names=[*experiment.passed])
    assert summary.provenance.inputs == {}, "without DVC no hashes are claimed"
    assert summary.missing == ("sft", "rpo")
    assert summary.comparisons["target-rpo"].keys() == {"base", "dpo"}
    assert summary.unavailable["base"]["mbpp+"].startswith("MBPP+ data:")
    assert "mbpp+" not in summary.models["base"]


def test_models_measured_on_different_data_are_not_compared(experiment):
    experiment.write_results("dpo", 40, data="heldout-2")
    with pytest.raises(InputError, match="heldout: dpo and base were measured on different data"):
        experiment.summarize()


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("metrics/codeflow.json", None, r"codeflow\.json: no such file; run `dvc repro codeflow`"),
        ("metrics/pairs.json", '{"pairs": "many"}', r"pairs\.json: field 'pairs'"),
        ("results/dpo/results.json", '{"model": "dpo"}', r"dpo/results\.json: field 'benchmarks': Field required"),
        ("contamination", '{"pairs": 3}', "contamination: field 'dropped': Field required; run .*pairs`"),
    ],
)
def test_unusable_inputs_are_named(experiment, file, text, message):
    path = experiment.root / file
    path.unlink()
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=message):
        experiment.summarize()
