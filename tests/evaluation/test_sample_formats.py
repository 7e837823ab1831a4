"""Outputs of other harnesses: the format is found by its content, and the scores are those of the same programs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from iterpref_core.evaluation.benchmarks.benchmark import EvaluationSetting
from iterpref_core.evaluation.scoring.existing_samples import score_samples
from iterpref_core.evaluation.scoring.sample_formats import GivenSample, read_given_samples
from iterpref_core.records import Sample
from iterpref_core.records.errors import InputError
from tests.evaluation.scoring import measuring

from .conftest import EvalPlusSlice

TASKS = ("HumanEval/2", "HumanEval/53")
BODIES = {"HumanEval/2": "    return number % 1.0\n", "HumanEval/53": "    return x - y\n"}
HEADS = {"HumanEval/2": "def truncate_number(number):\n", "HumanEval/53": "def add(x, y):\n"}
PROGRAMS = {task_id: HEADS[task_id] + BODIES[task_id] for task_id in TASKS}
"""The first one is right, and the second one wrong."""


def lines(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def evalplus_rows(folder: Path) -> Path:
    return lines(folder / "out", [{"task_id": name, "solution": PROGRAMS[name], "_identifier": "x"} for name in TASKS])


def evalplus_folder(folder: Path) -> Path:
    for name in TASKS:
        place = folder / "model_temp_0.0" / name.replace("/", "_")
        place.mkdir(parents=True)
        (place / "0.py").write_text(PROGRAMS[name])
    return folder / "model_temp_0.0"


def nemo_rows(folder: Path) -> Path:
    """As its evaluator leaves them: with a `completion` that is its own reading."""
    return lines(
        folder / "output-rs0.jsonl",
        [
            {
                "task_id": name,
                "generation": f"<think>\nMaybe.\n</think>\n```python\n{PROGRAMS[name]}```\n",
                "completion": "",
                "question": "?",
            }
            for name in TASKS
        ],
    )


def lm_eval_rows(folder: Path) -> Path:
    rows = []
    for number, name in enumerate(TASKS):
        doc = {"task_id": name, "prompt": HEADS[name], "entry_point": "f"}
        raw = [[BODIES[name]]]
        rows.append(
            {"doc_id": number, "doc": doc, "target": "t", "resps": raw, "filter": "create_test"}
            | {"filtered_resps": [[PROGRAMS[name]]], "pass@1": 1.0}
        )
    return lines(folder / "samples_humaneval.jsonl", rows)


def lm_eval_raw_rows(folder: Path) -> Path:
    """With a filter that leaves the text: it goes on with the prompt, and says more behind the program."""
    rows = []
    for name in TASKS:
        text = f"{BODIES[name]}\n\nThis is all.\n"
        rows.append({"doc": {"task_id": name}, "filter": "none", "filtered_resps": [text], "resps": [[text]]})
    return lines(folder / "samples_humaneval.jsonl", rows)


@pytest.mark.parametrize(
    "write",
    [evalplus_rows, evalplus_folder, nemo_rows, lm_eval_rows, lm_eval_raw_rows],
    ids=lambda write: write.__name__,
)
def test_the_same_programs_have_the_same_score_whoever_wrote_them(
    evalplus_slice: EvalPlusSlice, setting: EvaluationSetting, tmp_path: Path, write: Callable[[Path], Path]
) -> None:
    evalplus_slice("humaneval", *TASKS)
    out = tmp_path / "results"
    score_samples(write(tmp_path), measuring(setting, "humaneval"), out)
    result = json.loads((out / "results.json").read_text())
    entry = result["benchmarks"]["humaneval"]
    assert entry["verdicts"] == {"HumanEval/2": ["passed"], "HumanEval/53": ["wrong_answer"]}
    assert result["model"] in {"out", "model_temp_0.0", "output-rs0", "samples_humaneval"}


def test_rows_of_livecodebench_have_a_sample_for_each_program(tmp_path: Path) -> None:
    """Its file is a JSON array; the ids of the questions are those of the tasks."""
    path = tmp_path / "Scenario.codegeneration_2_0.2_eval_all.json"
    row = {"question_id": "1873_A", "code_list": ["print(1)", ""], "output_list": ["…", "…"], "graded_list": [True]}
    path.write_text(json.dumps([row, row | {"question_id": "other"}], indent=4))
    given = read_given_samples(path, {"1873_A"})
    assert given == [GivenSample(Sample(task_id="1873_A", solution=text)) for text in ("print(1)", "")]


def test_numbers_of_mbpp_are_ids_of_evalplus(tmp_path: Path) -> None:
    rows = [{"doc": {"task_id": 11}, "filter": "extract_code", "filtered_resps": [["def f(): pass"]], "resps": []}]
    found = read_given_samples(lines(tmp_path / "a.jsonl", rows), {"Mbpp/11"})
    assert [each.sample.task_id for each in found] == ["Mbpp/11"]


def test_programs_of_a_folder_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    (tmp_path / "HumanEval_2").mkdir()
    for number in (0, 2, 10):
        (tmp_path / "HumanEval_2" / f"{number}.py").write_text(str(number))
    found = read_given_samples(tmp_path, ["HumanEval/2", "HumanEval/3"])
    assert [each.sample.solution for each in found] == ["0", "2", "10"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([["x"]] * 164, "not a JSON object"),
        ([{"prompt": "x", "output": "y"}], r"no sample that is known \(it has output, prompt\)"),
        ([{"task_id": "HumanEval/0"}], "one of 'solution' and 'completion' must be given"),
        ([{"task_id": "HumanEval/0", "generation": None}], "field 'generation'"),
        ([{"question_id": "a", "code_list": "print(1)"}], "field 'code_list'"),
        ([3], "not a JSON object"),
        (
            [
                {"doc": {"task_id": "HumanEval/0"}, "filter": name, "filtered_resps": [["x"]], "resps": []}
                for name in ("create_test", "none")
            ],
            r"once for each filter \(create_test, none\)",
        ),
    ],
)
def test_what_is_not_known_is_refused_with_one_message(tmp_path: Path, content: list[Any], message: str) -> None:
    path = tmp_path / "samples.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=message):
        read_given_samples(path, {"HumanEval/0"})


def test_a_folder_without_programs_of_a_task_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.jsonl").write_text("")
    with pytest.raises(InputError, match=r"no program of a task, such as HumanEval_0/0.py"):
        read_given_samples(tmp_path, {"HumanEval/0"})
