"""HumanEval(+) and MBPP(+) on slices of the real data; the whole data sets take minutes of CPU."""

import json

import pytest

from iterpref_core.evaluation.benchmarks.harness import canonical_samples
from iterpref_core.evaluation.benchmarks.suites import open_benchmark
from iterpref_core.records import Sample
from tests.evaluation.evaluation import scoring

LIAR = """
class Same(float):
    def __eq__(self, other):
        return True
def truncate_number(x):
    return Same(1)
"""
KILL_GROUP = "import ctypes\nctypes.CDLL(None).kill(0, 9)\n"
KILL_PARENT = "import ctypes, os\nctypes.CDLL(None).kill(os.getppid(), 9)\n"


def score(name, setting, *programs):
    """The entry of programs of a benchmark's only task; without any, of its canonical solutions."""
    benchmark = open_benchmark(name, setting)
    samples = [Sample(task_id=next(iter(benchmark.tasks)), solution=program) for program in programs]
    return scoring.score(benchmark, samples or canonical_samples(benchmark), setting.cache)


def test_verdicts_by_kind_and_nothing_a_program_does_gets_out(evalplus_slice, setting):
    evalplus_slice("humaneval", "HumanEval/2")
    right = str(canonical_samples(open_benchmark("humaneval", setting))[0].solution)
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
        "import numpy as np\ndef truncate_number(x):\n    return np.float64(x % 1.0)\n": "passed",
        right + "\n": "passed",
    }
    entry = score("humaneval+", setting, *programs)
    assert entry["verdicts"]["HumanEval/2"] == list(programs.values())
    assert entry["exceptions"] == {"KeyError": 1, "NameError": 3}
    assert "KeyError: 3.5" in entry["feedback"]["HumanEval/2"][4]
    assert "time limit of 1 s for one test exceeded" in entry["feedback"]["HumanEval/2"][5]
    assert entry["isolation"].startswith(("A:", "B:"))


@pytest.mark.parametrize(
    ("solution", "reason"),
    [
        ("    return 1 / 0", "truncate_number(3.5) raised ZeroDivisionError"),
        ("    return float('nan')", "a result is not equal to itself"),
    ],
)
def test_a_task_whose_canonical_solution_ends_badly_cannot_be_judged(evalplus_slice, setting, solution, reason):
    path = evalplus_slice("humaneval", "HumanEval/0", "HumanEval/2")
    first, second = map(json.loads, path.read_text().splitlines())
    path.write_text("\n".join(map(json.dumps, (first, {**second, "canonical_solution": solution}))))
    entry = score("humaneval", setting)
    assert (entry["n"], entry["errors"], entry["ground_truth"]["failed"]) == (1, {"infra_error": 1}, ["HumanEval/2"])
    assert entry["ground_truth"]["reasons"]["HumanEval/2"].startswith(reason)
    assert entry["verdicts"]["HumanEval/2"] == ["infra_error"]
