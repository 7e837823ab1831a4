"""summary.json: the contract's fields, stable bytes, and what is missing named."""

import json
import shutil
from types import SimpleNamespace

import pytest

from iterpref_core.errors import InputError
from iterpref_core.report.summary import Summary, build_summary, read_summary, write_summary


def build(experiment: SimpleNamespace) -> Summary:
    return build_summary(experiment.results, experiment.metrics, experiment.params, experiment.lock)


def test_summary_has_the_fields_of_the_contract(experiment: SimpleNamespace) -> None:
    summary = build(experiment)

    codeflow = summary["codeflow"]
    assert codeflow["pass_rate_by_iteration"] == [0.1, 0.8, 0.9, 0.95, 0.96, 0.97]
    assert codeflow["dropped"] == {"identical_ast": 7, "solved_by_draft": 10, "unsolved": 3}
    assert (codeflow["problems"], codeflow["pairs"], codeflow["llm_calls"]) == (100, 80, 180)
    assert (codeflow["tokens"], codeflow["cost_usd"]) == (15_000, 0.0)
    assert (codeflow["calls_per_pair"], codeflow["cost_usd_per_pair"]) == (2.25, 0.0)
    assert summary["models"]["target-rpo"]["heldout"] == {
        "pass_at_1": 0.8,
        "ci95": [0.74, 0.8600000000000001],
        "n": 200,
        "samples": 200,
        "errors": {"wrong_answer": 20, "exception": 20},
        "exceptions": {"TypeError": 20},
    }
    provenance = summary["provenance"]
    assert provenance["params"]["training"]["beta"] == experiment.params.training.beta
    assert provenance["inputs"] == {"data/pairs.jsonl": "0123abc"}
    assert provenance["data"].keys() == {"heldout", "humaneval", "humanevalplus"}
    assert provenance["isolation"] == "bubblewrap+landlock+seccomp"
    assert {"python", "torch"} <= provenance["versions"].keys()


def test_every_model_is_compared_with_base_and_focal_ones_with_every_baseline(
    experiment: SimpleNamespace,
) -> None:
    compared = build(experiment)["comparisons"]

    assert {name: sorted(others) for name, others in compared.items()} == {
        "sft": ["base"],
        "dpo": ["base"],
        "rpo": ["base"],
        "target-dpo": ["base", "dpo", "rpo", "sft"],
        "target-rpo": ["base", "dpo", "rpo", "sft"],
        "debugger": ["base"],
    }
    against_rpo = compared["target-rpo"]["rpo"]["heldout"]
    assert (against_rpo["gained"], against_rpo["lost"]) == (20, 0)
    assert against_rpo["difference"] == pytest.approx(0.1)
    assert against_rpo["p_value"] < 0.001
    assert compared["dpo"]["base"]["heldout"]["difference"] == pytest.approx(-0.15)


def test_same_inputs_give_the_same_bytes(experiment: SimpleNamespace) -> None:
    first, second = experiment.root / "a.json", experiment.root / "b.json"
    write_summary(build(experiment), first)
    write_summary(build(experiment), second)
    assert first.read_bytes() == second.read_bytes()
    assert read_summary(first) == json.loads(first.read_text()) == build(experiment)


def test_models_without_results_and_benchmarks_without_data_are_named(experiment: SimpleNamespace) -> None:
    for model in ("sft", "rpo"):
        shutil.rmtree(experiment.results / model)

    summary = build(experiment)

    assert summary["missing"] == ["sft", "rpo"]
    assert summary["comparisons"]["target-rpo"].keys() == {"base", "dpo"}
    assert summary["unavailable"]["base"]["mbpp+"].startswith("MBPP+ data:")
    assert "mbpp+" not in summary["models"]["base"]


def test_ground_truth_is_the_worst_that_any_run_saw(experiment: SimpleNamespace) -> None:
    path = experiment.results / "dpo/results.json"
    results = json.loads(path.read_text())
    results["benchmarks"]["heldout"]["ground_truth"] = {"n": 200, "passed": 199, "failed": ["task/0003"]}
    path.write_text(json.dumps(results))

    assert build(experiment)["ground_truth"]["heldout"] == {"n": 200, "passed": 199, "failed": ["task/0003"]}


def test_a_comparison_names_the_tasks_won_and_lost_and_fills_the_matrix(experiment: SimpleNamespace) -> None:
    compared = build(experiment)["comparisons"]["dpo"]["base"]["heldout"]
    assert compared["tasks_gained"] == []
    assert compared["tasks_lost"] == [f"task/{number:04}" for number in range(40, 70)]
    assert [compared[name] for name in ("both", "lost", "gained", "neither")] == [40, 30, 0, 130]


def test_scores_and_comparisons_are_repeated_without_tasks_whose_own_solution_fails(
    experiment: SimpleNamespace,
) -> None:
    path = experiment.results / "dpo/results.json"
    results = json.loads(path.read_text())
    heldout = results["benchmarks"]["heldout"]
    heldout["ground_truth"] = {"n": 200, "passed": 198, "failed": ["task/0003", "task/0041"]}
    path.write_text(json.dumps(results))

    summary = build(experiment)

    assert summary["models"]["dpo"]["heldout"]["parts"]["without_failed_truth"]["n"] == 198
    compared = summary["comparisons"]["dpo"]["base"]["heldout"]
    assert (compared["n"], compared["lost"]) == (200, 30)
    rest = compared["parts"]["without_failed_truth"]
    assert (rest["n"], rest["gained"], rest["lost"]) == (198, 0, 29)
    assert rest["difference"] == pytest.approx(-29 / 198)
    assert "parts" not in summary["comparisons"]["sft"]["base"]["heldout"]


def test_scores_and_comparisons_are_repeated_without_tasks_that_pairs_overlap_with(
    experiment: SimpleNamespace,
) -> None:
    tasks = {
        "sha256": "0",
        "examples": [],
        "overlapping": ["task/0000", "task/0050", "task/0199", "of another benchmark"],
    }
    found = experiment.root / "contamination.json"
    found.write_text(json.dumps({"pairs": 3, "dropped": 0, "benchmarks": {"heldout": tasks}, "absent": {}}))

    summary = build_summary(experiment.results, experiment.metrics, experiment.params, experiment.lock, found)

    models = summary["models"]  # base solves tasks 0 to 69, DPO 0 to 39, of 200
    assert {name: models["base"]["heldout"]["parts"]["without_overlap"][name] for name in ("n", "pass_at_1")} == {
        "n": 197,
        "pass_at_1": 68 / 197,
    }
    assert models["dpo"]["heldout"]["parts"]["without_overlap"]["pass_at_1"] == 39 / 197
    rest = summary["comparisons"]["dpo"]["base"]["heldout"]["parts"]["without_overlap"]
    assert (rest["n"], rest["gained"], rest["lost"]) == (197, 0, 29)
    assert "parts" not in models["base"]["humaneval"], "its tasks are others, whatever they are called"
    assert "parts" not in build(experiment)["models"]["base"]["heldout"]


def test_an_overlap_with_humaneval_is_one_with_humaneval_plus(experiment: SimpleNamespace) -> None:
    found = experiment.root / "contamination.json"
    tasks = {"sha256": "0", "overlapping": ["task/0000"]}
    found.write_text(json.dumps({"pairs": 1, "dropped": 0, "benchmarks": {"humaneval": tasks}, "absent": {}}))
    models = build_summary(experiment.results, experiment.metrics, experiment.params, experiment.lock, found)["models"]
    for name in ("humaneval", "humaneval+"):
        assert models["base"][name]["parts"]["without_overlap"]["n"] == 163


def test_models_measured_on_different_data_are_not_compared(experiment: SimpleNamespace) -> None:
    experiment.write_results("dpo", 40, data="heldout-2")
    with pytest.raises(InputError, match=r"heldout of dpo and of base were measured on different data"):
        build(experiment)


def test_without_dvc_no_hashes_are_claimed(experiment: SimpleNamespace) -> None:
    experiment.lock.unlink()
    assert build(experiment)["provenance"]["inputs"] == {}


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("metrics/codeflow.json", None, r"codeflow\.json: no such file; run `dvc repro codeflow`"),
        ("metrics/codeflow.json", '{"problems": 3}', r"metric 'llm_calls' is missing"),
        ("metrics/pairs.json", '{"pairs": "many"}', r"pairs\.json: field 'pairs'"),
        ("results/dpo/results.json", '{"model": "dpo"}', r"dpo/results\.json: field 'benchmarks' is missing"),
        ("results/dpo/results.json", "{", r"dpo/results\.json: not valid JSON"),
        ("dvc.lock", "stages: []", r"dvc\.lock: not a dvc\.lock"),
    ],
)
def test_unusable_inputs_are_named(experiment: SimpleNamespace, file: str, text: str | None, message: str) -> None:
    path = experiment.root / file
    path.unlink()
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        build(experiment)


def test_no_results_at_all_says_what_to_run(experiment: SimpleNamespace) -> None:
    shutil.rmtree(experiment.results)
    with pytest.raises(InputError, match="no model has results here"):
        build(experiment)
