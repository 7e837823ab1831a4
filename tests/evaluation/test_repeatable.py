"""The same samples get the same verdicts: scored twice, on a machine that is busy, and after a kill.

On a slice by default; `EVALPLUS_TASKS` and `EVALPLUS_MUTANTS` raise the numbers as for the agreement with EvalPlus.
"""

import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from iterpref_core.config import ExecutionParams, LiveCodeBenchParams
from iterpref_core.evaluation.evalplus_data import find_data
from iterpref_core.evaluation.evaluation import score_samples
from iterpref_core.records import Sample
from iterpref_core.storage.jsonl import write_jsonl
from iterpref_core.storage.run_store import RunStore

from .conftest import EvalPlusSlice
from .evalplus_mutants import MUTANTS, add_mutants, task_ids

WINDOW = LiveCodeBenchParams(release="release_v5", since=None, until=None)
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
    request: pytest.FixtureRequest, evalplus_slice: EvalPlusSlice, execution: ExecutionParams, tmp_path: Path
) -> Score:
    """Writes the results of the same samples to a folder of this name, and returns them."""
    dataset = request.param
    evalplus_slice(dataset, *task_ids(dataset))
    tasks = find_data(dataset, tmp_path).tasks  # type: ignore[arg-type]
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
        score_samples(samples, benchmark, tmp_path, WINDOW, execution, out=out, cache=tmp_path)  # type: ignore[arg-type]
        return (out / "results.json").read_bytes()

    return score


@pytest.mark.timeout(300 if MUTANTS <= 30 else 7200)
def test_the_same_samples_get_the_same_bytes_twice(score: Score) -> None:
    assert score("first") == score("second")


@pytest.mark.faults
@pytest.mark.timeout(300 if MUTANTS <= 30 else 7200)
def test_the_same_samples_get_the_same_bytes_on_a_busy_machine(score: Score) -> None:
    first = score("first")
    with busy_machine():
        assert score("busy") == first


def test_an_evaluation_that_was_killed_goes_on_and_gives_the_same_bytes(
    problems: Path, execution: ExecutionParams, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = [
        Sample(task_id=task_id, solution=f"def f(x):\n    return 2 * x # {n}\n")
        for task_id in ("h/double", "h/square")
        for n in range(20)
    ]
    write_jsonl(tmp_path / "samples.jsonl", every)
    cache = tmp_path / "cache"
    run: list[str] = []
    keep = RunStore.__setitem__

    def score(name: str, cache: Path) -> bytes:
        run.clear()
        out = tmp_path / name
        score_samples(tmp_path / "samples.jsonl", "heldout", problems, WINDOW, execution, out=out, cache=cache)
        return (out / "results.json").read_bytes()

    def keep_or_die(store: RunStore, key: str, value: dict[str, Any]) -> None:
        keep(store, key, value)
        run.append(key)
        if len(run) == dies_at:
            os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(RunStore, "__setitem__", keep_or_die)
    dies_at = 2 + 8  # the references are run first, of which there are two
    killed = multiprocessing.get_context("fork").Process(target=score, args=("killed", cache))
    killed.start()
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    assert not (tmp_path / "killed").exists(), "nothing half-written"
    dies_at = 99
    again = score("again", cache)
    assert len(run) == len(every) - 8
    for path in (cache / "unfinished").glob("*.sqlite"):
        with closing(sqlite3.connect(path)) as data:
            assert '"score' not in data.execute("SELECT identity FROM run").fetchone()[0]
    assert score("whole", tmp_path / "other") == again
    assert len(run) == 2 + len(every)
