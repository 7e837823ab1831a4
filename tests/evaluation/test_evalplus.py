"""EvalPlus's evaluator on slices of its real data; the full data sets take minutes of CPU (`iterpref evaluate`)."""

import json
from pathlib import Path

import pytest

from iterpref_core.errors import ExecutionError
from iterpref_core.evaluation import evalplus_ground_truth, evalplus_process
from iterpref_core.evaluation.answers import Answerer
from iterpref_core.evaluation.evalplus_benchmarks import EvalPlus, make_prompt, make_solution
from iterpref_core.evaluation.evalplus_data import EvalPlusTask
from iterpref_core.evaluation.evalplus_ground_truth import prepare_oracle, score_items
from iterpref_core.evaluation.evalplus_process import Scoring
from iterpref_core.inference.replay import ReplayBackend
from iterpref_core.records import Sample

from .conftest import EvalPlusSlice

TASK = EvalPlusTask("HumanEval/0", '\ndef f(x):\n    """Adds one."""\n', "f", "    return x + 1\n")
KILL_GROUP = "import ctypes\nctypes.CDLL(None).kill(0, 9)\n"
KILL_PARENT = "import ctypes, os\nctypes.CDLL(None).kill(os.getppid(), 9)\n"


def test_a_continuation_stops_where_evalplus_stops_and_follows_its_prompt() -> None:
    prompt = make_prompt(TASK, instruct=False)
    assert prompt == 'def f(x):\n    """Adds one."""'
    solution = make_solution(TASK, "\treturn x + 1\nassert f(1) == 2\ndef g(): pass", "humaneval", instruct=False)
    assert solution == prompt + "\n    return x + 1"


def test_a_chat_model_is_instructed_and_its_answer_left_whole() -> None:
    assert make_prompt(TASK, instruct=True).endswith('```python\ndef f(x):\n    """Adds one."""\n```')
    assert make_solution(TASK, "Sure:\n```python\nx\n```", "mbpp", instruct=True) == "Sure:\n```python\nx\n```"


def test_own_solutions_pass_in_a_slice_with_special_oracles(evalplus_slice: EvalPlusSlice, tmp_path: Path) -> None:
    # find_zero (32) has many right answers; Mbpp/2 is compared as a set, 581 and 558 have oracles of their own.
    evalplus_slice("humaneval", "HumanEval/0", "HumanEval/2", "HumanEval/32")
    evalplus_slice("mbpp", "Mbpp/2", "Mbpp/581", "Mbpp/558")
    for dataset in ("humaneval", "mbpp"):
        oracle = prepare_oracle(EvalPlus(dataset, tmp_path, 2).data, tmp_path, workers=2)  # type: ignore[arg-type]
        for truth in (oracle.base, oracle.plus):
            assert (truth.n, truth.passed, truth.failed) == (3, 3, ())


def test_find_zero_takes_any_root_and_no_other_value(evalplus_slice: EvalPlusSlice, tmp_path: Path) -> None:
    evalplus_slice("humaneval", "HumanEval/32")
    service = EvalPlus("humaneval", tmp_path, 1)
    right = service.ground_truth_samples()[0].solution
    assert right is not None
    shifted = right.replace("def find_zero", "def root") + "\n\ndef find_zero(xs):\n    return root(xs) + 1\n"
    programs = [shifted, "def find_zero(xs):\n    return None\n"]
    for program in programs:
        entry = service.score(["humaneval"], [Sample(task_id="HumanEval/32", solution=program)])["humaneval"].entry
        assert entry["errors"] == {"wrong_answer": 1}


def test_verdicts_by_kind_and_the_run_survives_hostile_programs(evalplus_slice: EvalPlusSlice, tmp_path: Path) -> None:
    evalplus_slice("humaneval", "HumanEval/2")
    data = EvalPlus("humaneval", tmp_path, 2).data
    oracle = prepare_oracle(data, tmp_path, workers=2)
    right = data.tasks[0].prompt + data.tasks[0].canonical_solution
    programs = {
        right: "passed",
        "def truncate_number(x):\n    return (": "syntax_error",
        "def other(x):\n    return x": "exception",
        "def truncate_number(x):\n    return x": "wrong_answer",
        "import os\nos._exit(0)": "timeout",
        KILL_PARENT: "crash",
        KILL_GROUP: "crash",
        right + "\n": "passed",
    }
    items = [Scoring("HumanEval/2", program) for program in programs]
    scored = score_items(data, oracle.folder, items, workers=2)
    assert [result.plus for result in scored] == list(programs.values())


def test_an_answer_is_sanitized_and_both_suites_come_from_one_run(
    evalplus_slice: EvalPlusSlice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evalplus_slice("humaneval", "HumanEval/2")
    service = EvalPlus("humaneval", tmp_path, 1)
    task = service.data.tasks[0]
    answer = f"Here:\n```python\n{task.prompt}{task.canonical_solution}\nprint(truncate_number(3.5))\n```"
    backend = ReplayBackend({make_prompt(task, instruct=True): [answer]})
    answerer = Answerer(lambda: backend, "m", tmp_path / "answers", max_new_tokens=99, seed=0, batch_size=8)

    found = service.evaluate(["humaneval", "humaneval+"], answerer, instruct=True)

    assert [found[name].entry["pass_at_1"] for name in ("humaneval", "humaneval+")] == [1.0, 1.0]
    assert found["humaneval"].samples == found["humaneval+"].samples
    assert "print" not in str(found["humaneval"].samples[0].solution)
    assert len(backend.requests) == 1
    assert found["humaneval+"].entry["harness"] == evalplus_process.HARNESS
    assert found["humaneval+"].entry["sampling"]["prompt"] == "instruct"


def test_expected_outputs_are_computed_once_and_nothing_is_left_in_the_home_folder(
    evalplus_slice: EvalPlusSlice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evalplus_slice("humaneval", "HumanEval/0")
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    data = EvalPlus("humaneval", tmp_path, 1).data
    first = prepare_oracle(data, tmp_path, workers=1)
    monkeypatch.setattr(evalplus_ground_truth, "score_items", None)  # called again it would fail
    assert prepare_oracle(data, tmp_path, workers=1) == first
    assert not list(home.iterdir())


def test_own_solution_that_fails_is_named(
    evalplus_slice: EvalPlusSlice, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = evalplus_slice("humaneval", "HumanEval/2")
    task = json.loads(path.read_text())
    random = "import random\n\ndef truncate_number(number):\n    return random.random()\n"
    path.write_text(json.dumps({**task, "prompt": "", "canonical_solution": random}) + "\n")
    oracle = prepare_oracle(EvalPlus("humaneval", tmp_path, 1).data, tmp_path, workers=1)
    assert oracle.plus.failed == ("HumanEval/2",)
    assert "own solutions fail for HumanEval/2" in caplog.text


def test_harness_that_cannot_start_is_no_verdict(
    evalplus_slice: EvalPlusSlice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evalplus_slice("humaneval", "HumanEval/0")
    data = EvalPlus("humaneval", tmp_path, 1).data
    broken = tmp_path / "broken.py"
    broken.write_text("raise SystemExit('no module named evalplus')\n")
    monkeypatch.setattr(evalplus_process, "_SCRIPT", broken)
    with pytest.raises(ExecutionError, match=r"does not start .*no module named evalplus"):
        score_items(data, tmp_path, [Scoring("HumanEval/0", "")], workers=1)
