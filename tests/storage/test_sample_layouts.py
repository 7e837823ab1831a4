"""Samples as harnesses write them: the same tasks and programs come out of every layout."""

import json
import re

import pytest

from iterpref_core.records import RecordError
from iterpref_core.storage.sample_layouts import read_samples
from tests.texts import write_files

PROGRAMS = {"HumanEval/0": ["a = 1\n", "a = 2\n"], "Mbpp/11": ["b = 1\n"]}
ROWS = [{"task_id": task, "solution": program} for task, programs in PROGRAMS.items() for program in programs]


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


LAYOUTS = {
    "own": {"samples.jsonl": lines(ROWS)},
    "EvalPlus": {
        "samples.json": json.dumps({"date": "1", "eval": {"HumanEval/0": ROWS[:2], "Mbpp/11": ROWS[2:]}}, indent=1)
    },
    "EvalPlus's folder": {"samples/HumanEval_0/2.py": "a = 1\n", "samples/HumanEval_0/10.py": "a = 2\n"}
    | {"samples/Mbpp_11/0.py": "b = 1\n", "samples/Mbpp_11/0.json": "no program"},
    "lm-evaluation-harness": {
        "samples.jsonl": lines(
            {"doc": {"task_id": 11 if task == "Mbpp/11" else task}, "resps": [["a"]], "filtered_resps": [programs]}
            for task, programs in PROGRAMS.items()
        )
    },
    "LiveCodeBench": {
        "samples.json": json.dumps([{"question_id": task, "code_list": each} for task, each in PROGRAMS.items()])
    },
    "NeMo-Skills": {"samples.jsonl": lines({"task_id": row["task_id"], "generation": row["solution"]} for row in ROWS)},
}


def read(folder):
    (path,) = folder.iterdir()
    return [(sample.task_id, sample.solution) for _, sample in read_samples(path)]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_tasks_and_programs_are_those_of_the_rows(layout, tmp_path):
    write_files(tmp_path, LAYOUTS[layout])
    assert read(tmp_path) == [(row["task_id"], row["solution"]) for row in ROWS]


def test_a_log_of_two_filters_is_refused_with_the_line_that_takes_one(tmp_path):
    row = {"doc": {"task_id": "HumanEval/0"}, "filtered_resps": [["a = 1"]], "filter": "extract_code"}
    write_files(tmp_path, {"log.jsonl": lines([row, row])})
    assert len(read(tmp_path)) == 2
    write_files(tmp_path, {"log.jsonl": lines([row, row | {"filter": "none"}])})
    with pytest.raises(
        RecordError, match=r"log.jsonl:2: .*extract_code and none.*select\(.filter == \"extract_code\"\)"
    ):
        read(tmp_path)


@pytest.mark.parametrize(("tasks", "first"), [(164, "HumanEval/0"), (500, "Mbpp/11")])
def test_lists_of_programs_are_of_the_tasks_at_their_positions(tmp_path, tasks, first):
    name, number = first.split("/")
    write_files(tmp_path, {"generations.json": "\ufeff" + json.dumps([["x"], None, ["y", "z"], *[[]] * (tasks - 3)])})
    third = f"{name}/{int(number) + 2}"
    assert read(tmp_path) == [(first, "x"), (third, "y"), (third, "z")]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"a.json": '[["x"], ["y"]]'}, "of 2 tasks without ids, which are known for 164 (HumanEval) and 500"),
        ({"a.json": '[["x"], ["y"]]'}, '{task_id: "HumanEval/\\(.key)", solution: .value[]?}'),
        ({"a.jsonl": '{"id": "a", "code": "x"}'}, "a.jsonl:1: give 'solution' or 'completion'"),
        ({"a.jsonl": '{"id": "a", "code": "x"}'}, "jq -c '{task_id: .ID, solution: .CODE}'"),
        ({"a.jsonl": '{"doc": {"task_id": "a"}, "filtered_resps": ["text"]}'}, "give 'solution' or 'completion'"),
        ({"a.json": '{"eval": {"a": {"files": []}}}'}, "a.json:1: Input should be an object"),
        ({"a/0.txt": ""}, "no program; a folder of samples has files such as HumanEval_0/0.py"),
    ],
)
def test_another_layout_is_refused_with_what_makes_samples_of_it(files, said, tmp_path):
    write_files(tmp_path, files)
    with pytest.raises(RecordError, match=re.escape(said)):
        read(tmp_path)
