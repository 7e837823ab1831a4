"""Overlap with benchmarks: found where it was put, and nowhere else."""

import gzip
import json
from pathlib import Path

import pytest

from iterpref_core.errors import InputError, RecordError
from iterpref_core.records import PreferencePair
from iterpref_core.training.overlap import BenchmarkTask, find_overlap, read_benchmark

THIRTEEN = "one two three four five six seven eight nine ten eleven twelve thirteen"


def pair(name: str, prompt: str = "", chosen: str = "") -> PreferencePair:
    return PreferencePair(task_id=name, prompt=prompt, chosen=chosen, rejected=THIRTEEN)


def test_thirteen_words_in_a_row_are_overlap_and_twelve_are_not() -> None:
    task = BenchmarkTask("b/1", (f"Say {THIRTEEN}!",), ())
    twelve = THIRTEEN.removesuffix(" thirteen")
    pairs = [
        pair("prompt", f"X {THIRTEEN.upper().replace(' ', ', ')}"),
        pair("chosen", "p", f"# {THIRTEEN} y"),
        pair("short", twelve, twelve),
        pair("broken", THIRTEEN.replace("six", "6"), "no"),
    ]
    found = find_overlap(pairs, [task])
    assert found.runs == ["prompt = b/1", "chosen = b/1"]
    assert (found.prompts, found.solutions, found.tasks) == ([], [], 1)


def test_a_run_that_many_tasks_share_says_nothing() -> None:
    tasks = [BenchmarkTask(f"b/{n}", (f"{n} {THIRTEEN}",), ()) for n in range(11)]
    assert find_overlap([pair("a", THIRTEEN)], tasks).runs == []
    assert find_overlap([pair("a", THIRTEEN)], tasks[:10]).runs == ["a = b/0"]


def test_short_texts_are_found_where_they_are_the_same() -> None:
    tasks = [
        BenchmarkTask("b/1", ("Add two numbers.",), ("return a + b\n",)),
        BenchmarkTask("b/2", ("def f(a, b):\n",), ("    return a * b\n",)),
    ]
    pairs = [
        pair("case", "add   TWO numbers", "x"),
        pair("solution", "p", "  return  a + b"),
        pair("other operator", "p", "return a - b"),
        pair("completed", "p", "def f(a, b):\n    return a * b"),
    ]
    found = find_overlap(pairs, tasks)
    assert found.prompts == ["case = b/1"]
    assert found.solutions == ["solution = b/1", "completed = b/2"]
    stops = {finding.text.split(":")[0]: finding.stops for finding in found.findings()}
    assert stops == {"prompts of the benchmark": True, "solutions of the benchmark": False}


def test_benchmarks_of_every_kind_are_read_and_of_split_problems_the_held_out_ones(tmp_path: Path) -> None:
    lines = [
        {"task_id": "HumanEval/0", "prompt": "def f():\n", "canonical_solution": "    pass\n"},
        {"text": "Do it.", "code": "x = 1"},
        {"task_id": "B/1", "complete_prompt": "c", "instruct_prompt": "i", "canonical_solution": "s"},
        {"task_id": "heldout/0", "prompt": "p", "split": "heldout", "reference": "r"},
        {"task_id": "codeflow/0", "prompt": "p", "split": "codeflow", "reference": "r"},
    ]
    path = tmp_path / "benchmark.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, lines)).encode()))
    assert list(read_benchmark(path)) == [
        BenchmarkTask("HumanEval/0", ("def f():\n",), ("    pass\n",)),
        BenchmarkTask("benchmark.jsonl.gz:2", ("Do it.",), ("x = 1",)),
        BenchmarkTask("B/1", ("c", "i"), ("s",)),
        BenchmarkTask("heldout/0", ("p",), ("r",)),
    ]


@pytest.mark.parametrize(
    ("line", "message"), [("{", r"b\.jsonl:1: not valid JSON"), ('{"question": 1}', r"b\.jsonl:1: no text under any")]
)
def test_files_that_are_no_benchmark_are_refused(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "b.jsonl").write_text(line, encoding="utf-8")
    with pytest.raises(RecordError, match=message):
        list(read_benchmark(tmp_path / "b.jsonl"))
    with pytest.raises(InputError, match="no such file"):
        list(read_benchmark(tmp_path / "absent.jsonl"))
