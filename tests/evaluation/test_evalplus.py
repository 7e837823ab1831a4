"""HumanEval(+) and MBPP(+) on slices of the real data; the whole data sets take minutes of CPU."""

import gzip
import json
from pathlib import Path

import pytest

from iterpref_core.config import ExecutionParams
from iterpref_core.evaluation import evalplus_oracle
from iterpref_core.evaluation.answerer import Answerer
from iterpref_core.evaluation.evalplus_benchmarks import EvalPlus, make_prompt, make_solution
from iterpref_core.evaluation.evalplus_data import EvalPlusTask
from iterpref_core.evaluation.evalplus_programs import HARNESS
from iterpref_core.evaluation.program_runs import Journals
from iterpref_core.inference.backend import Completion, Request, Sampling
from iterpref_core.inference.replay import ReplayBackend
from iterpref_core.records import Sample

from .conftest import EvalPlusSlice

TASK = EvalPlusTask("HumanEval/0", '\ndef f(x):\n    """Adds one."""\n', "f", "    return x + 1\n", [[1]], [], 0.0)
LIAR = """
class Same(float):
    def __eq__(self, other):
        return True
def truncate_number(x):
    return Same(1)
"""
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


def samples_of(task_id: str, *programs: str) -> list[Sample]:
    return [Sample(task_id=task_id, solution=program) for program in programs]


def test_own_solutions_pass_in_a_slice_with_special_oracles(
    evalplus_slice: EvalPlusSlice, execution: ExecutionParams, journals: Journals, tmp_path: Path
) -> None:
    # find_zero (32) has many right answers; Mbpp/2 is compared as a set, 581 and 558 have oracles of their own.
    evalplus_slice("humaneval", "HumanEval/0", "HumanEval/2", "HumanEval/32")
    evalplus_slice("mbpp", "Mbpp/2", "Mbpp/581", "Mbpp/558")
    for dataset in ("humaneval", "mbpp"):
        service = EvalPlus(dataset, tmp_path, execution, journals)  # type: ignore[arg-type]
        found = service.score([dataset, f"{dataset}+"], service.ground_truth_samples())  # type: ignore[list-item]
        for evaluated in found.values():
            assert (evaluated.entry["pass_at_1"], evaluated.entry["n"]) == (1.0, 3)
            assert evaluated.entry["ground_truth"] == {"n": 3, "passed": 3, "failed": []}


def test_find_zero_takes_any_root_and_no_other_value(
    evalplus_slice: EvalPlusSlice, execution: ExecutionParams, journals: Journals, tmp_path: Path
) -> None:
    evalplus_slice("humaneval", "HumanEval/32")
    service = EvalPlus("humaneval", tmp_path, execution, journals)
    right = service.ground_truth_samples()[0].solution
    assert right is not None
    shifted = right.replace("def find_zero", "def root") + "\n\ndef find_zero(xs):\n    return root(xs) + 1\n"
    samples = samples_of("HumanEval/32", shifted, "def find_zero(xs):\n    return None\n")
    assert service.score(["humaneval"], samples)["humaneval"].entry["errors"] == {"wrong_answer": 2}


def test_verdicts_by_kind_and_nothing_a_program_does_gets_out(
    evalplus_slice: EvalPlusSlice, execution: ExecutionParams, journals: Journals, tmp_path: Path
) -> None:
    evalplus_slice("humaneval", "HumanEval/2")
    service = EvalPlus("humaneval", tmp_path, execution, journals)
    right = service.data.tasks[0].canonical_program
    programs = {
        right: "passed",
        "def truncate_number(x):\n    return (": "syntax_error",
        "def other(x):\n    return x": "exception",
        "def truncate_number(x):\n    return x": "wrong_answer",
        "def truncate_number(x):\n    return {}[x]": "exception",
        "def truncate_number(x):\n    while True: pass": "timeout",
        "import os\nos._exit(0)": "exited_early",
        KILL_PARENT: "exception",
        KILL_GROUP: "exception",
        LIAR: "bad_return_type",
        right + "\n": "passed",
    }
    entry = service.score(["humaneval+"], samples_of("HumanEval/2", *programs))["humaneval+"].entry
    assert entry["verdicts"]["HumanEval/2"] == list(programs.values())
    assert entry["exceptions"] == {"KeyError": 1, "NameError": 3}
    assert "KeyError: 3.5" in entry["feedback"]["HumanEval/2"][4]
    assert "time limit of 1 s for one test exceeded" in entry["feedback"]["HumanEval/2"][5]
    assert entry["isolation"].startswith(("A:", "B:"))


def test_a_scalar_of_numpy_is_right_where_evalplus_takes_it(
    evalplus_slice: EvalPlusSlice, execution: ExecutionParams, journals: Journals, tmp_path: Path
) -> None:
    evalplus_slice("humaneval", "HumanEval/2")
    service = EvalPlus("humaneval", tmp_path, execution, journals)
    numpy = "import numpy as np\ndef truncate_number(x):\n    return np.float64(x % 1.0)\n"
    fake = """
import sys, types
class Same:
    def __eq__(self, other): return True
    def item(self): return 0.5
sys.modules["numpy"] = types.SimpleNamespace(float64=Same)
import numpy as np
def truncate_number(x):
    return np.float64()
"""
    entry = service.score(["humaneval+"], samples_of("HumanEval/2", numpy, fake))["humaneval+"].entry
    assert entry["verdicts"]["HumanEval/2"] == ["passed", "bad_return_type"]


def test_a_program_that_passes_the_base_tests_alone_counts_there_alone(
    evalplus_slice: EvalPlusSlice, execution: ExecutionParams, journals: Journals, tmp_path: Path
) -> None:
    evalplus_slice("humaneval", "HumanEval/2")
    service = EvalPlus("humaneval", tmp_path, execution, journals)
    task = service.data.tasks[0]
    known = {values[0] for values in task.base_input}
    memory = f"def truncate_number(x):\n    return x % 1.0 if x in {known!r} else 0.123\n"
    found = service.score(["humaneval", "humaneval+"], samples_of("HumanEval/2", memory))
    assert (found["humaneval"].entry["pass_at_1"], found["humaneval+"].entry["pass_at_1"]) == (1.0, 0.0)
    assert (found["humaneval"].entry["errors"], found["humaneval+"].entry["errors"]) == ({}, {"wrong_answer": 1})


def test_an_answer_is_sanitized_and_both_suites_come_from_one_run(
    evalplus_slice: EvalPlusSlice, execution: ExecutionParams, journals: Journals, tmp_path: Path
) -> None:
    evalplus_slice("humaneval", "HumanEval/2")
    service = EvalPlus("humaneval", tmp_path, execution, journals)
    task = service.data.tasks[0]
    answer = f"Here:\n```python\n{task.prompt}{task.canonical_solution}\nprint(truncate_number(3.5))\n```"
    backend = ReplayBackend({make_prompt(task, instruct=True): [answer]})
    answerer = Answerer(lambda: backend, "m", tmp_path / "answers.sqlite", max_new_tokens=99, seed=0, batch_size=8)

    found = service.evaluate(["humaneval", "humaneval+"], answerer, instruct=True)

    assert [found[name].entry["pass_at_1"] for name in ("humaneval", "humaneval+")] == [1.0, 1.0]
    assert found["humaneval"].samples == found["humaneval+"].samples
    assert "print" not in str(found["humaneval"].samples[0].solution)
    assert len(backend.requests) == 1
    assert found["humaneval+"].entry["harness"] == HARNESS
    assert found["humaneval+"].entry["sampling"]["prompt"] == "instruct"
    assert found["humaneval+"].entry["sampling"]["protocol"] == "evalplus 0.3.1, chat endpoint"


def test_the_benchmark_s_own_solutions_are_scored_before_the_model_is_asked(
    evalplus_slice: EvalPlusSlice,
    execution: ExecutionParams,
    journals: Journals,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = evalplus_slice("humaneval", "HumanEval/2")
    task = json.loads(path.read_text())
    random = "import random\n\ndef truncate_number(number):\n    return random.SystemRandom().random()\n"
    path.write_text(json.dumps({**task, "prompt": "", "canonical_solution": random}) + "\n")
    told: list[bool] = []

    class Asked:
        def generate(self, requests: list[Request], _: Sampling) -> list[Completion]:
            told.append("own solutions fail for HumanEval/2" in caplog.text)
            return [Completion("def truncate_number(x): return 1", 1, 1, truncated=False) for _ in requests]

    answerer = Answerer(Asked, "m", tmp_path / "answers.sqlite", max_new_tokens=9, seed=0, batch_size=8)
    service = EvalPlus("humaneval", tmp_path, execution, journals)
    entry = service.evaluate(["humaneval"], answerer, instruct=False)["humaneval"].entry
    assert told == [True]
    assert entry["ground_truth"]["failed"] == ["HumanEval/2"]


def test_a_task_whose_own_solution_ends_badly_cannot_be_judged(
    evalplus_slice: EvalPlusSlice, execution: ExecutionParams, journals: Journals, tmp_path: Path
) -> None:
    path = evalplus_slice("humaneval", "HumanEval/0", "HumanEval/2")
    first, second = map(json.loads, path.read_text().splitlines())
    path.write_text("\n".join(map(json.dumps, (first, {**second, "canonical_solution": "    return 1 / 0"}))))
    service = EvalPlus("humaneval", tmp_path, execution, journals)
    entry = service.score(["humaneval"], service.ground_truth_samples())["humaneval"].entry
    assert (entry["n"], entry["errors"], entry["ground_truth"]["failed"]) == (1, {"infra_error": 1}, ["HumanEval/2"])


def test_expected_results_are_computed_once_and_nothing_is_left_in_the_home_folder(
    evalplus_slice: EvalPlusSlice,
    execution: ExecutionParams,
    journals: Journals,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    evalplus_slice("humaneval", "HumanEval/0")
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    service = EvalPlus("humaneval", tmp_path, execution, journals)
    first = service.score(["humaneval"], service.ground_truth_samples())
    monkeypatch.setattr(evalplus_oracle, "_compute", None)  # called again it would fail
    again = EvalPlus("humaneval", tmp_path, execution, journals)
    assert again.score(["humaneval"], again.ground_truth_samples()) == first
    assert not list(home.iterdir())


@pytest.mark.parametrize("broken", ["cut", "text"])
def test_expected_results_that_are_damaged_are_computed_anew(
    evalplus_slice: EvalPlusSlice, execution: ExecutionParams, journals: Journals, tmp_path: Path, broken: str
) -> None:
    evalplus_slice("humaneval", "HumanEval/0")
    service = EvalPlus("humaneval", tmp_path, execution, journals)
    first = service.score(["humaneval"], service.ground_truth_samples())
    (path,) = tmp_path.glob("expected-*.jsonl.gz")
    path.write_bytes(path.read_bytes()[:-20] if broken == "cut" else gzip.compress(b"{"))
    again = EvalPlus("humaneval", tmp_path, execution, journals)
    assert again.score(["humaneval"], again.ground_truth_samples()) == first
