"""Programs that failed: which are shown, and that program, verdict and feedback belong together."""

import json
import shutil
from types import SimpleNamespace
from typing import Any

import pytest

from iterpref_core.records import Sample
from iterpref_core.report.answers import ModelFailures, failing_programs
from iterpref_core.report.stage_outputs import load_results
from iterpref_core.storage.jsonl import write_jsonl


def choose(rich: SimpleNamespace, count: int) -> dict[str, ModelFailures]:
    found = failing_programs(load_results(rich.results), rich.results, rich.problems, count)
    return {model.name: model for model in found}


def results(rich: SimpleNamespace, model: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((rich.results / model / "results.json").read_text())["benchmarks"]
    return found


def test_every_benchmark_has_its_turn_and_what_is_shown_belongs_together(rich: SimpleNamespace) -> None:
    keys = {
        "held-out": "heldout", "HumanEval": "humaneval", "MBPP": "mbpp", "LiveCodeBench": "livecodebench",
        "BigCodeBench-Complete": "bigcodebench-full-complete", "BigCodeBench-Instruct": "bigcodebench-full-instruct",
        "BigCodeBench-Hard-Complete": "bigcodebench-hard-complete",
    }  # fmt: skip
    shown = choose(rich, 7)["DPO"].shown
    assert {item.benchmark for item in shown} == keys.keys(), "HumanEval+ judges the programs of HumanEval"
    measured = results(rich, "dpo")
    for item in shown:
        entry = measured[keys[item.benchmark]]
        assert item.verdict == entry["verdicts"][item.task_id][0] != "passed"
        assert item.program.startswith(f"# dpo, {keys[item.benchmark]} "), "both splits of BigCodeBench have these ids"
        assert item.feedback == entry.get("feedback", {}).get(item.task_id, [""])[0]
        assert bool(item.prompt) == (item.benchmark == "held-out")


def test_nobody_picks_them_and_models_are_shown_on_the_same_tasks(rich: SimpleNamespace) -> None:
    first = choose(rich, 8)
    for path in rich.results.glob("*/results.json"):
        found = json.loads(path.read_text())
        entry = found["benchmarks"]["heldout"]
        entry["verdicts"] = dict(reversed(entry["verdicts"].items()))
        path.write_text(json.dumps(found))
    assert choose(rich, 8) == first
    tasks = {
        name: {item.task_id for item in model.shown if item.benchmark == "held-out"} for name, model in first.items()
    }
    assert tasks["base"] & tasks["DPO"], "the easiest task that either fails has the same hash for both"


def test_a_program_of_several_samples_is_the_one_that_was_judged(rich: SimpleNamespace) -> None:
    path = rich.results / "sft/results.json"
    found = json.loads(path.read_text())
    heldout = found["benchmarks"]["heldout"]
    heldout["verdicts"] = {"task/0001": ["passed", "infra_error", "timeout"]}
    found["benchmarks"] = {"heldout": heldout}
    path.write_text(json.dumps(found))
    write_jsonl(
        path.parent / "samples/heldout.jsonl", (Sample(task_id="task/0001", completion=f"v{i}") for i in range(3))
    )
    (item,) = choose(rich, 5)["SFT on chosen"].shown
    assert (item.verdict, item.program, item.feedback) == ("timeout", "v2", "")


@pytest.mark.parametrize("kept", [0, 1])
def test_programs_that_are_not_there_are_not_shown(rich: SimpleNamespace, kept: int) -> None:
    samples = rich.results / "base/samples"
    if kept:
        (samples / "heldout.jsonl").unlink()
    else:
        shutil.rmtree(samples)
    base = choose(rich, 3)["base"]
    assert base.unknown == (not kept)
    assert base.failed > 0
    assert all(item.benchmark != "held-out" for item in base.shown)
    assert bool(base.shown) == bool(kept)


def test_long_texts_are_cut_and_say_so(rich: SimpleNamespace) -> None:
    for path in (rich.results / "base/samples").iterdir():
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        path.write_text("".join(json.dumps({**line, "solution": "x" * 90_000}) + "\n" for line in lines))
    item = choose(rich, 1)["base"].shown[0]
    assert item.program.endswith("\n… 84,000 characters more")
    assert len(item.program) < 6100


def test_none_are_shown_where_none_are_asked_for_or_none_failed(rich: SimpleNamespace) -> None:
    assert all(not model.shown for model in choose(rich, 0).values())
    for name in rich.passed.keys() - {"base"}:
        shutil.rmtree(rich.results / name)
    path = rich.results / "base/results.json"
    found = json.loads(path.read_text())
    for entry in found["benchmarks"].values():
        entry["verdicts"] = {task_id: ["passed"] for task_id in entry.get("verdicts", ())}
    path.write_text(json.dumps(found))
    assert choose(rich, 3)["base"].failed == 0
