"""Answers of models: every benchmark is there, and program, verdict and feedback belong together."""

import json
from types import SimpleNamespace
from typing import Any

from iterpref_core.evaluation.report.answers import compared_answers
from iterpref_core.evaluation.report.stage_outputs import load_results
from tests.report.conftest import HOSTILE


def answers(rich: SimpleNamespace) -> list[dict[str, Any]]:
    return compared_answers(load_results(rich.results), rich.results, rich.problems)


def test_every_benchmark_has_its_turn_and_what_is_shown_belongs_together(rich: SimpleNamespace) -> None:
    keys = {
        "": "heldout", "HumanEval+": "humaneval+", "MBPP+": "mbpp+", "LiveCodeBench": "livecodebench",
        "BigCodeBench-Complete": "bigcodebench-full-complete", "BigCodeBench-Instruct": "bigcodebench-full-instruct",
        "BigCodeBench-Hard-Complete": "bigcodebench-hard-complete",
    }  # fmt: skip
    shown = answers(rich)
    assert len(shown) == len({item["id"] for item in shown}) == 200
    benchmarks = [item["id"].partition(", ")[2] for item in shown]
    assert set(benchmarks) == keys.keys(), "HumanEval+ judges the programs of HumanEval"
    assert min(benchmarks.count(name) for name in keys) > 5
    results = json.loads((rich.results / "dpo/results.json").read_text())["benchmarks"]
    for item, name in zip(shown, benchmarks, strict=True):
        entry, task_id = results[keys[name]], item["id"].partition(", ")[0]
        place, verdict, feedback = item["answers"]["dpo"]
        assert item["programs"][place].startswith(f"# dpo, {keys[name].rstrip('+')} "), (
            "both splits of BigCodeBench have these ids"
        )
        assert verdict == entry["verdicts"][task_id][0]
        assert feedback == entry.get("feedback", {}).get(task_id, [""])[0]
        assert item["prompt"] == ("" if name else f"Do it. {HOSTILE}")
        assert all(lines == [(0,), (0,)] for lines in item["differing"].values()), "only the first line differs"


def test_long_programs_are_cut(rich: SimpleNamespace) -> None:
    path = rich.results / "dpo/samples/heldout.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps({**line, "solution": "x" * 90_000}) + "\n" for line in lines))
    cut = [item["programs"][item["answers"]["dpo"][0]] for item in answers(rich) if "," not in item["id"]]
    assert cut
    assert all(program.endswith("x\n… 84,000 characters more") for program in cut)
