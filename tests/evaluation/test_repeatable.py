"""The same samples get the same verdicts: scored twice, and on a machine that is busy.

On a slice by default; `EVALPLUS_TASKS` and `EVALPLUS_MUTANTS` raise the numbers as for the agreement with EvalPlus.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from iterpref_core.evaluation.evalplus_tasks import EvalPlusTask
from iterpref_core.evaluation.evaluation import EvaluationSetting, score_samples
from iterpref_core.evaluation.published_tasks import read_tasks
from iterpref_core.records import Sample
from iterpref_core.storage.jsonl import write_jsonl

from .conftest import EvalPlusSlice
from .evalplus_mutants import MUTANTS, add_mutants, task_ids

BUSY = 4
HANGS = "def {}(*_):\n    while True: pass\n"
SLEEPS = "import time\ndef {}(*_):\n    time.sleep(0.01)\n"
LARGE = "def {}(*_):\n    return [0] * 10**9\n"


@contextmanager
def busy_machine() -> Iterator[None]:
    processes = [subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"]) for _ in range(BUSY)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


Score = Callable[[str], bytes]


@pytest.fixture(params=["humaneval", "mbpp"])
def score(
    request: pytest.FixtureRequest, evalplus_slice: EvalPlusSlice, setting: EvaluationSetting, tmp_path: Path
) -> Score:
    """Writes the results of the same samples to a folder of this name, and returns them."""
    dataset = request.param
    evalplus_slice(dataset, *task_ids(dataset))
    tasks = read_tasks(dataset, EvalPlusTask)[1].values()
    programs = {task.task_id: [task.canonical_program] for task in tasks}
    add_mutants(programs, MUTANTS // 2)
    for task, text in zip(tasks, (HANGS, SLEEPS, LARGE), strict=False):
        programs[task.task_id].append(text.format(task.entry_point))
    samples = tmp_path / "samples.jsonl"
    write_jsonl(
        samples, (Sample(task_id=task_id, solution=code) for task_id, codes in programs.items() for code in codes)
    )

    def score(name: str) -> bytes:
        out = tmp_path / name
        benchmark = f"{dataset}+"
        score_samples(samples, [benchmark], setting, out)  # type: ignore[list-item]
        return (out / "results.json").read_bytes()

    return score


@pytest.mark.faults
@pytest.mark.timeout(300 if MUTANTS <= 30 else 7200)
def test_the_same_samples_get_the_same_bytes_twice_and_on_a_busy_machine(score: Score) -> None:
    first = score("first")
    assert score("second") == first
    with busy_machine():
        assert score("busy") == first
