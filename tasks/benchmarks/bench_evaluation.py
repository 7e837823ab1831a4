"""`iterpref bench evaluation`: HumanEval+ scored by this project, isolated, and by EvalPlus's command, in one run."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from iterpref_core.cores import usable_cores
from iterpref_core.errors import IterPrefError
from iterpref_core.evaluation.evalplus_data import RELEASES, EvalPlusData, find_data
from iterpref_core.records import Sample
from iterpref_core.storage.jsonl import write_jsonl
from tasks.benchmarks.spread import spread

_BROKEN = "HumanEval/32"
"""evalplus 0.3.1 fails every program on it, its own solution included."""


def bench_evaluation(cache: Path, workers: int, rounds: int = 5) -> dict[str, Any]:
    """Score HumanEval+'s own solutions, all inputs, by two commands in turn, both with warm caches.

    Args:
        cache: folder in which the benchmark's data is looked for.
        workers: programs at a time, for both.
        rounds: pairs of runs; each gives one ratio, and begins with the other of the two.

    Returns:
        `vs_evalplus`: seconds of `iterpref evaluate` over those of `evalplus.evaluate`, both from start to end, median
        of the rounds' ratios; quartiles, seconds, tasks on which the two differ, isolation, machine and load.

    Raises:
        DataUnavailableError: the data cannot be had here.
        IterPrefError: one of the commands failed.
    """
    data = find_data("humaneval", cache)
    load = os.getloadavg()[0]
    with TemporaryDirectory(prefix="iterpref-bench-") as folder:
        where = Path(folder)
        samples = where / "samples.jsonl"
        write_jsonl(samples, (Sample(task_id=task.task_id, solution=task.canonical_program) for task in data.tasks))
        runs = {
            "ours": lambda: _ours(samples, where / "out", data),
            "evalplus": lambda: _evalplus(samples, data, workers),
        }
        for run in runs.values():
            run()
        seconds: dict[str, list[float]] = {name: [] for name in runs}
        for turn in range(rounds):
            for name in list(runs)[:: 1 if turn % 2 else -1]:
                seconds[name].append(_timed(runs[name]))
        entry = json.loads((where / "out" / "results.json").read_text(encoding="utf-8"))["benchmarks"]["humaneval+"]
        theirs = json.loads(_their_results(samples).read_text(encoding="utf-8"))["eval"]
    ratios = spread([ours / other for ours, other in zip(seconds["ours"], seconds["evalplus"], strict=True)])
    passed = {task: rows[0]["base_status"] == rows[0]["plus_status"] == "pass" for task, rows in theirs.items()}
    return {
        "vs_evalplus": ratios["median"],
        "vs_evalplus_quartiles": [ratios["q1"], ratios["q3"]],
        "seconds": {name: spread(found)["median"] for name, found in seconds.items()},
        "rounds": rounds,
        "different": [task for task in sorted(passed) if passed[task] != (task in entry["passed"]) and task != _BROKEN],
        "left_out": [_BROKEN],
        "isolation": entry["isolation"],
        "workers": workers,
        "machine": f"{usable_cores()} cores",
        "load_before": round(load, 2),
        "load_after": round(os.getloadavg()[0], 2),
    }


def _timed(run: Callable[[], None]) -> float:
    start = time.monotonic()
    run()
    return time.monotonic() - start


def _ours(samples: Path, out: Path, data: EvalPlusData) -> None:
    command = ["evaluate", "--benchmark", "humaneval+", "--samples", str(samples), "--out", str(out)]
    _run([sys.executable, "-m", "flows.cli", *command], {RELEASES["humaneval"].variable: str(data.path)})


def _evalplus(samples: Path, data: EvalPlusData, workers: int) -> None:
    _their_results(samples).unlink(missing_ok=True)
    # Its own folders: what it computes once (expected outputs) lies there too.
    environment = {RELEASES["humaneval"].variable: str(data.path), "XDG_CACHE_HOME": str(samples.parent / "cache")}
    command = ["--dataset", "humaneval", "--samples", str(samples), "--parallel", str(workers)]
    _run([sys.executable, "-m", "evalplus.evaluate", *command], environment)


def _their_results(samples: Path) -> Path:
    return samples.with_name(samples.stem + "_eval_results.json")


def _run(command: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise IterPrefError(f"{' '.join(command[:4])} failed: {done.stderr.strip()[-500:]}")
