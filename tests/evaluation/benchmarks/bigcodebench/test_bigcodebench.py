"""BigCodeBench on tasks of our own; and, where its environment and data are, beside its official harness."""

import json
import os
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from iterpref_core.evaluation.benchmarks.bigcodebench import suite
from iterpref_core.evaluation.benchmarks.bigcodebench.environment import find_python
from iterpref_core.evaluation.benchmarks.bigcodebench.suite import BigCodeBench, BigCodeBenchTask
from iterpref_core.evaluation.benchmarks.published_tasks import read_tasks
from iterpref_core.evaluation.scoring.existing_samples import score_samples
from iterpref_core.execution import ENGINE
from iterpref_core.records import BIGCODEBENCH, DataUnavailableError, InputError
from tests.engines import outcomes_of
from tests.evaluation.benchmarks.bigcodebench.two_tasks import DOUBLE, WHERE
from tests.evaluation.evaluation.scoring import measuring
from tests.settings import changed
from tests.texts import written

FULL = "BIGCODEBENCH_OVERRIDE_PATH"
COMPARE = "BIGCODEBENCH_COMPARE"

# Said in tier B, where these programs run all the same.
pytestmark = pytest.mark.filterwarnings("ignore:programs of the environment .* only in tier A:UserWarning")


@pytest.fixture
def two_tasks(monkeypatch, tmp_path):
    """Our own tasks, and our own interpreter."""
    use_own(monkeypatch, tmp_path, DOUBLE, WHERE)


def use_own(monkeypatch, folder, *tasks):
    """Take these tasks, and our own interpreter, which has not all that is preloaded, nor the official harness."""
    monkeypatch.setenv(FULL, str(written(folder / "tasks.jsonl", *tasks)))
    for name, value in (("find_python", lambda: Path(sys.executable)), ("PRELOAD", ()), ("INTERCEPTION", "")):
        monkeypatch.setattr(suite, name, value)


def entry_of(folder, benchmark="bigcodebench-full-complete"):
    return json.loads((folder / "results.json").read_text())["benchmarks"][benchmark]


@pytest.mark.usefixtures("two_tasks")
def test_ground_truth_runs_and_names_the_missing_library(setting, tmp_path):
    scores = score_samples(None, measuring(setting, "bigcodebench-full-complete"), tmp_path / "out")
    assert scores.measured["bigcodebench-full-complete"].pass_at_1 == 0.5
    entry = entry_of(tmp_path / "out")
    assert entry["passed"] == ["BigCodeBench/0"]  # and so the other class of its tests was not run
    assert entry["ground_truth"] == {
        "n": 2,
        "passed": 1,
        "failed": ["BigCodeBench/1"],
        "reasons": {
            "BigCodeBench/1": "ModuleNotFoundError: No module named 'absent_library', line 1: import absent_library"
        },
    }
    assert entry["harness"] == f"bigcodebench-0.2.5 in {ENGINE}"
    assert entry["limits"]["cpu_s"] == 241


@pytest.mark.usefixtures("two_tasks")
def test_samples_are_scored_behind_the_imports_and_signature_of_their_task(setting, tmp_path):
    samples = [
        {"task_id": "BigCodeBench/0", "solution": "def task_func(x):\n    return math.fsum([x] * 2)"},  # no import
        {"task_id": "BigCodeBench/0", "completion": "    return x + x"},
        {"task_id": "BigCodeBench/0", "solution": "def task_func(x):\n    return 2"},
        {"task_id": "BigCodeBench/0", "solution": "def task_func(x:"},
        {"task_id": "BigCodeBench/1", "solution": "def task_func(x):\n    return '/' + x"},
    ]
    path = written(tmp_path / "samples.jsonl", *samples)
    score_samples(path, measuring(setting, "bigcodebench-full-instruct"), tmp_path / "out")
    entry = entry_of(tmp_path / "out", "bigcodebench-full-instruct")
    assert entry["passed"] == ["BigCodeBench/0"]
    assert entry["pass_at_1"] == pytest.approx(0.25)  # half of the first task's samples; the second's import fails
    assert entry["errors"] == {"exception": 1, "syntax_error": 1, "wrong_answer": 1}


def test_a_program_finds_what_the_official_harness_puts_around_it(execution, tmp_path, monkeypatch):
    looks = """
def task_func():
    import pickle, sys, tempfile, time
    class Local: pass
    globals()["Local"] = Local
    Local.__qualname__ = "Local"
    try:
        input()
        read = "read"
    except OSError:
        read = "refused"
    with tempfile.NamedTemporaryFile() as file:
        outside = os.path.dirname(file.name) != os.getcwd()
    open(os.path.join(os.path.expanduser("~"), "mine"), "w").close()
    return [__name__, __file__, type(pickle.loads(pickle.dumps(Local()))).__name__, read, outside, time.tzname[0],
            exit, environ is os.environ, sys.modules[__name__].task_func is task_func, os.listdir()]
"""
    wanted = ["__test__", "__test__.py", "Local", "refused", True, "UTC", None, True, True, ["mine"]]
    test = (
        "import unittest\nclass TestCases(unittest.TestCase):\n"
        f"    def test(self):\n        self.assertEqual(task_func(), {wanted!r})\n"
    )
    use_own(monkeypatch, tmp_path, {**DOUBLE, "test": test})
    bench = BigCodeBench("bigcodebench-full-complete", execution)
    (task,) = bench.tasks.values()
    with bench.open_executor() as executor:
        (program,) = bench.candidate(task, "", None)
        run = executor.run_one(replace(program, code=looks))
    assert (run.verdict, run.feedback) == ("passed", "")


def test_refused_tests_are_no_benchmark(setting):
    execution = changed(setting.params.execution, inside="refuse")
    refusing = replace(setting, params=changed(setting.params, execution=execution))
    with pytest.raises(InputError, match=r"bigcodebench-full-complete: all of its tests run inside"):
        suite.open_suite("bigcodebench-full-complete", refusing)


def test_without_its_environment_the_message_says_what_to_run(monkeypatch, setting, tmp_path):
    monkeypatch.setenv(FULL, str(written(tmp_path / "two.jsonl", DOUBLE)))
    monkeypatch.setenv("ITERPREF_BIGCODEBENCH_PYTHON", str(tmp_path / "absent"))
    with pytest.raises(DataUnavailableError, match="run `make bigcodebench`"):
        score_samples(None, measuring(setting, "bigcodebench-full-complete"), tmp_path / "o")
    monkeypatch.setenv("ITERPREF_BIGCODEBENCH_PYTHON", sys.executable)
    with pytest.raises(DataUnavailableError, match="bigcodebench is not installed there"):
        find_python()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", f"broken.jsonl: holds no task; set {FULL}"),
        ("{}\n", "broken.jsonl:1: field 'task_id': Field required"),
        (json.dumps({**DOUBLE, "test": None}), "broken.jsonl:1: field 'test'"),
    ],
)
def test_a_broken_file_is_named_with_its_line(content, message, monkeypatch, tmp_path):
    path = tmp_path / "broken.jsonl"
    path.write_text(content)
    monkeypatch.setenv(FULL, str(path))
    with pytest.raises(InputError, match=message):
        read_tasks(BIGCODEBENCH, BigCodeBenchTask)


@pytest.fixture
def python():
    try:
        return find_python()
    except DataUnavailableError as error:
        pytest.skip(str(error))


JUDGE = """
import json, os, sys
import matplotlib.pyplot
from bigcodebench.eval import untrusted_check
answers = os.fdopen(os.dup(1), "w")
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what programs print
for code, test in json.load(sys.stdin):
    status, _ = untrusted_check(code, test, "task_func", 30 * 1024, 30 * 1024, 10, 1, 20)
    print(json.dumps(status), file=answers, flush=True)
"""


def official_verdicts(python, programs, folder):
    """Whether each passes in bigcodebench's own `untrusted_check`, which protects this machine from little."""
    judged = subprocess.run(
        [python, "-c", JUDGE],
        input=json.dumps([[code, task.test] for task, code in programs]),
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
        env={
            "PATH": f"{python.parent}:{os.defpath}",
            "HOME": str(folder),
            "MPLBACKEND": "Agg",
            "OMP_NUM_THREADS": "1",
            "LANG": "C.UTF-8",
        },
    )
    return [json.loads(line) == "pass" for line in judged.stdout.splitlines()]


def our_verdicts(bench, programs):
    candidates = (replace(program, code=code) for task, code in programs for program in bench.candidate(task, "", None))
    with bench.open_executor() as executor:
        return [run.verdict == "passed" for run in outcomes_of(executor, candidates)]


def whole(bench, task, solution):
    """A solution as both harnesses run it."""
    (program,) = bench.candidate(task, solution, None)
    return task, program.code


@pytest.mark.timeout(4 * 3600)
def test_both_harnesses_agree(python, execution, tmp_path):
    """On canonical solutions of tasks in a random order that is always the same, and on programs that return nothing.

    By default on some of which run shells, a compiler, Python scripts, or look at files' times.
    """
    if not os.environ.get(FULL):
        pytest.skip(f"set {FULL} to compare with the official harness on real tasks, and {COMPARE} to their number")
    bench = BigCodeBench("bigcodebench-full-complete", execution)
    drawn = [f"BigCodeBench/{number}" for number in (1, 11, 15, 18, 263, 349, 604, 790, 853, 1101, 1107)]
    if number := int(os.environ.get(COMPARE, "0")):
        drawn = random.Random(0).sample(sorted(bench.tasks), len(bench.tasks))[:number]
    tasks = [bench.tasks[task_id] for task_id in drawn if os.geteuid() != 0 or task_id not in AS_ROOT]
    programs = [whole(bench, task, bench.canonical_solution(task)) for task in tasks]
    programs += [whole(bench, task, f"{task.complete_prompt}\n    return None") for task in tasks]
    official, ours = official_verdicts(python, programs, tmp_path), our_verdicts(bench, programs)
    assert [task.task_id for (task, _), one, other in zip(programs, official, ours, strict=True) if one != other] == []
    assert sum(official) == len(tasks) or number


AS_ROOT = {"BigCodeBench/812", "BigCodeBench/832"}
"""Expect that a file without permissions cannot be read, and that a folder in `/` cannot be made. Where the official
harness is root, both succeed, and the folder makes others fail."""
