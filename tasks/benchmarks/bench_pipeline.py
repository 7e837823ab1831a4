"""`iterpref bench pipeline`: the whole experiment from nothing, in a copy of the working tree."""

import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

from iterpref_core.cores import usable_cores
from iterpref_core.errors import IterPrefError
from tasks.orchestration.experiment_run import LAST_RUN, RunCost
from tasks.orchestration.workspaces import copy_files, list_files


def bench_pipeline(root: Path) -> dict[str, float | str | dict[str, float]]:
    """Run the experiment without any cache, then `dvc repro` with nothing to do.

    Returns:
        `demo_s` (seconds), `orchestration_share` (of the stages' time), `server_s` (seconds to start and stop the
        Prefect server), `noop_s`, `peak_gb` (resident, shared pages counted once), `cpu_share` (CPU seconds over wall
        seconds x cores, of the whole run), the same of each stage's body as `stages`, and the machine and its load.

    Raises:
        InputError: `root` is no git repository.
        IterPrefError: the experiment failed.
    """
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="iterpref-bench-") as folder:
        copy = Path(folder)
        copy_files(root, list_files(root), copy)
        environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
        for variable in ("MLFLOW_TRACKING_URI", "PREFECT_API_URL"):
            environment.pop(variable, None)
        demo_s, peak_mb = _time([sys.executable, "-m", "flows.cli", "run"], copy, environment)
        cost = RunCost.model_validate_json((copy / LAST_RUN).read_bytes())
        noop_s, _ = _time([sys.executable, "-m", "dvc", "repro"], copy, environment)
    return {
        "demo_s": round(demo_s, 1),
        "orchestration_share": round(cost.orchestration_share, 4),
        "noop_s": round(noop_s, 1),
        "server_s": round(cost.server_s, 1),
        "peak_gb": round(peak_mb / 1024, 2),
        "cpu_share": round(cost.cpu_share, 3),
        "stages": {
            stage.stage: round(stage.cpu_s / (stage.body_s * cost.cores), 3) for stage in cost.stages if stage.body_s
        },
        "machine": f"{usable_cores()} cores, {platform.machine()}, {platform.system()}",
        "load_before": round(load, 2),
    }


def _time(command: list[str], folder: Path, environment: dict[str, str]) -> tuple[float, float]:
    """Seconds and peak memory (MiB) of a command with all its descendants; its output goes to stderr."""
    started = time.monotonic()
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=sys.stderr) as child:
        watch = _MemoryWatch(child.pid)
        watch.start()
        code = child.wait()
        watch.stop()
    if code:
        raise IterPrefError(f"{' '.join(command[1:])} ended with {code}; its output is above")
    return time.monotonic() - started, watch.peak_mb


class _MemoryWatch(threading.Thread):
    """Samples the memory of a process tree, twice a second."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.peak_mb = 0.0
        self._process = psutil.Process(pid)
        self._ended = threading.Event()

    def run(self) -> None:
        """Sample until `stop`."""
        while not self._ended.wait(0.5):
            self.peak_mb = max(self.peak_mb, sum(map(_resident_mb, self._tree())))

    def stop(self) -> None:
        """End sampling."""
        self._ended.set()
        self.join()

    def _tree(self) -> list[psutil.Process]:
        try:
            return [self._process, *self._process.children(recursive=True)]
        except psutil.Error:
            return []


def _resident_mb(process: psutil.Process) -> float:
    """Proportional set size, in which a page that n processes share counts 1/n for each."""
    try:
        return float(process.memory_full_info().pss) / 2**20
    except (psutil.Error, AttributeError):
        return 0.0
