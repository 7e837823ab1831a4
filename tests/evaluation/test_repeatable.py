"""The same samples get the same verdicts: scored twice, on a machine that is busy, and after a kill.

On a slice by default; `EVALPLUS_TASKS` and `EVALPLUS_MUTANTS` raise the numbers as for the agreement with EvalPlus.
"""

import multiprocessing
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from iterpref_core.config import ExecutionParams, LiveCodeBenchParams
from iterpref_core.evaluation.evalplus_data import find_data
from iterpref_core.evaluation.evaluate import score_samples
from iterpref_core.jsonl import write_jsonl
from iterpref_core.records import Sample
from tests.settings import ROOT

from .conftest import EvalPlusSlice
from .evalplus_mutants import MUTANTS, add_mutants, task_ids

WINDOW = LiveCodeBenchParams(release="release_v5", since=None, until=None)
BUSY = 4
HANGS = "def {}(*_):\n    while True: pass\n"
SLEEPS = "import time\ndef {}(*_):\n    time.sleep(0.01)\n"
LARGE = "def {}(*_):\n    return [0] * 10**9\n"


def spin() -> None:
    while True:
        pass


@contextmanager
def busy_machine() -> Iterator[None]:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=spin, daemon=True) for _ in range(BUSY)]
    for process in processes:
        process.start()
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.join()


@pytest.mark.timeout(300 if MUTANTS <= 30 else 7200)
@pytest.mark.parametrize("dataset", ["humaneval", "mbpp"])
def test_the_same_samples_get_the_same_bytes_twice_and_on_a_busy_machine(
    dataset: str, evalplus_slice: EvalPlusSlice, execution: ExecutionParams, tmp_path: Path
) -> None:
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

    first = score("first")
    assert score("second") == first
    with busy_machine():
        assert score("busy") == first


SCORE = """
import sys
from pathlib import Path
from iterpref_core.config import load_params
from iterpref_core.evaluation.evaluate import score_samples
params, folder = load_params(Path(sys.argv[1])), Path(sys.argv[2])
score_samples(folder / "samples.jsonl", "heldout", folder / "problems.jsonl", params.evaluate.livecodebench,
              params.execution, out=folder / sys.argv[3], cache=folder / "cache")
"""


def test_an_evaluation_that_was_killed_goes_on_and_gives_the_same_bytes(problems: Path, tmp_path: Path) -> None:
    slow = "from time import process_time\nwhile process_time() < 0.2: pass\ndef f(x):\n    return 2 * x # {}\n"
    every = [
        Sample(task_id=task_id, solution=slow.format(n)) for task_id in ("h/double", "h/square") for n in range(20)
    ]
    write_jsonl(tmp_path / "samples.jsonl", every)
    command = [sys.executable, "-c", SCORE, str(ROOT / "params.yaml"), str(tmp_path)]
    with subprocess.Popen([*command, "killed"]) as process:
        while kept(tmp_path) < 8 and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    assert not (tmp_path / "killed").exists(), "nothing half-written"
    before = kept(tmp_path)
    assert 8 <= before < len(every)
    done = subprocess.run([*command, "again"], check=True, capture_output=True, text=True)
    assert f"{len(every)}/{len(every)}" in done.stderr
    assert kept(tmp_path) == 0
    subprocess.run([*command, "whole"], check=True)
    assert (tmp_path / "again" / "results.json").read_bytes() == (tmp_path / "whole" / "results.json").read_bytes()


def kept(folder: Path) -> int:
    """Lines of samples in the journal of the scoring (the references are two)."""
    texts = [path.read_text() for path in (folder / "cache" / "unfinished").glob("*.jsonl")]
    return max((text.count("\n") - 1 for text in texts if "score" in text.partition("\n")[0]), default=0)
