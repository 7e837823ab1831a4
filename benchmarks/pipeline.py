"""The whole experiment from nothing, in a git worktree of its own: `python benchmarks/pipeline.py [--json]`.

`demo_s` is the wall time of `iterpref run` without any cache; `orchestration_share` is the part of it in which no
stage's body ran; `noop_s` is the time of `dvc repro` with nothing to do, and `noop_run_s` that of `iterpref run`;
`cpu_share` is CPU seconds over wall seconds times cores. `sweep_ratio` is the wall time of `iterpref sweep --jobs 2`
over that of `--jobs 1`: four trainings each, with other seeds, scored on the validation split.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

from iterpref_core.storage.cores import usable_cores

RUN = (sys.executable, "-m", "iterpref_cli", "run")
NOTHING_TO_DO = (sys.executable, "-m", "dvc", "repro")
SWEEP = (sys.executable, "-m", "iterpref_cli", "sweep", "--objective", "dpo")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    result = measure(Path.cwd())
    if arguments.json:
        print(json.dumps({"pipeline": result}))
        return
    for name, value in result.items():
        print(f"{name:20} {value}")


def measure(root: Path) -> dict[str, float | str]:
    """Run the experiment of a repository, with its uncommitted changes, then `dvc repro`."""
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="iterpref-bench-") as folder:
        worktree = Path(folder, "worktree")
        changes = _output(root, "git", "diff", "--binary", "HEAD")
        _output(root, "git", "worktree", "add", "--detach", str(worktree))
        try:
            if changes:
                subprocess.run(["git", "apply"], cwd=worktree, input=changes, check=True)
            demo_s, cpu_s = _time(RUN, worktree)
            covered_s = covered_seconds(stage_intervals(worktree))
            noop_s, _ = _time(NOTHING_TO_DO, worktree)
            noop_run_s, _ = _time(RUN, worktree)
            sweep_ratio = _sweep_ratio(worktree)
        finally:
            _output(root, "git", "worktree", "remove", "--force", str(worktree))
    return {
        "demo_s": round(demo_s, 1),
        "orchestration_share": round(1 - covered_s / demo_s, 4),
        "noop_s": round(noop_s, 1),
        "noop_run_s": round(noop_run_s, 1),
        "cpu_share": round(cpu_s / (demo_s * usable_cores()), 3),
        "sweep_ratio": round(sweep_ratio, 3),
        "machine": f"{usable_cores()} cores, {platform.machine()}, {platform.system()}",
        "load_before": round(load, 2),
    }


def _sweep_ratio(worktree: Path) -> float:
    """Return the time of a sweep of two jobs over the time of one job."""
    # Other seeds, so that the second sweep has as much to train.
    one_job = (*SWEEP, "--set", "training.seed=101,102,103,104", "--jobs", "1")
    two_jobs = (*SWEEP, "--set", "training.seed=105,106,107,108", "--jobs", "2")
    one_job_s, _ = _time(one_job, worktree)
    two_jobs_s, _ = _time(two_jobs, worktree)
    return two_jobs_s / one_job_s


def _output(folder: Path, *command: str) -> bytes:
    return subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, check=True).stdout


def _time(command: tuple[str, ...], folder: Path) -> tuple[float, float]:
    """Return wall and CPU seconds of a command and its children; its output goes to standard error."""
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for variable in ("MLFLOW_TRACKING_URI", "PREFECT_API_URL"):
        environment.pop(variable, None)
    started = time.monotonic()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=folder, env=environment, stdout=sys.stderr, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.monotonic() - started, cpu_s


def stage_intervals(worktree: Path) -> list[tuple[float, float]]:
    """Return when the body of each stage began and ended, in seconds since the epoch, from the records in MLflow."""
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{worktree / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("iterpref")
    runs = client.search_runs([experiment.experiment_id], "tags.`iterpref.stage` != ''")
    return [(run.info.start_time / 1000, run.info.end_time / 1000) for run in runs]


def covered_seconds(intervals: Iterable[tuple[float, float]]) -> float:
    """Return the length of the union of intervals: the seconds in which at least one stage's body ran."""
    edges = []
    for start, end in intervals:
        edges.append((start, 1))
        edges.append((end, -1))
    edges.sort()
    # Bodies from 0 to 4 and from 3 to 6 have the edges 0, 3, 4 and 6; from each to the next one, 1, 2 and 1 run.
    running = 0
    covered = 0.0
    for (start, change), (end, _) in pairwise(edges):
        running += change
        if running:
            covered += end - start
    return covered


if __name__ == "__main__":
    main()
