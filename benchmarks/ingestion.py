"""Ingestion of a large set: `python benchmarks/ingestion.py [--json] [--rows 100000] [--tests 20] [--read-only]`.

The rows are of APPS's shape: a statement, a script as reference, and tests as JSON in a text. `cpu_share` is the CPU
time of all processes over wall time and cores; `peak_mb` is the memory of all processes together, at its highest.
With `--read-only` the set has no references, so that nothing runs: the cost of reading alone.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from iterpref_core.storage.cores import usable_cores

REPOSITORY = Path(__file__).parents[1]
INTERVAL_S = 0.25
_SENTENCE = "Read n, then n integers, and print their sum. "
STATEMENT = _SENTENCE * 20  # as long as the statement of a contest problem
REFERENCE = "n = int(input())\nprint(sum(map(int, input().split())))\n"


def write_set(path: Path, rows: int, tests: int) -> None:
    """Write a set in which no two rows have the same tests."""
    with path.open("w", encoding="utf-8") as file:
        for row in range(rows):
            inputs = []
            outputs = []
            for test in range(tests):
                first = row + test
                numbers = range(first, first + 40)
                inputs.append(f"40\n{' '.join(map(str, numbers))}\n")
                outputs.append(f"{sum(numbers)}\n")
            record = {
                "problem_id": row,
                "question": STATEMENT,
                "solutions": json.dumps([REFERENCE]),
                "input_output": json.dumps({"inputs": inputs, "outputs": outputs}),
                "inputs": inputs,  # rStar-Coder's names, for reading alone
                "outputs": outputs,
                "starter_code": "",
            }
            file.write(json.dumps(record) + "\n")


def measure(rows: int, tests: int, *, read_only: bool) -> dict[str, object]:
    """Ingest a set of so many rows, in a process of its own, and look at all processes meanwhile."""
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "set.jsonl")
        write_set(source, rows, tests)
        shutil.copy(REPOSITORY / "params.yaml", folder)
        form = "rstar" if read_only else "apps"
        command = [sys.executable, "-m", "iterpref_core.cli", "ingest", str(source)]
        command += ["--format", form]
        command += ["--out", "out"]
        environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
        started = time.monotonic()
        child = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL)
        peak_mb, cpu_s = watch(psutil.Process(child.pid))
        wall_s = time.monotonic() - started
        if child.wait() != 0:
            raise SystemExit(f"the ingestion ended with exit status {child.returncode}")
        size_mb = source.stat().st_size / 2**20
    return {
        "rows": rows,
        "tests": tests,
        "size_mb": round(size_mb, 1),
        "rows_per_s": round(rows / wall_s, 1),
        "peak_mb": round(peak_mb, 1),
        "cpu_share": round(cpu_s / wall_s / usable_cores(), 3),
        "machine": f"{usable_cores()} cores, {platform.machine()}, {platform.system()}",
        "load_before": round(load, 2),
        "load_after": round(os.getloadavg()[0], 2),
    }


def watch(process: psutil.Process) -> tuple[float, float]:
    """Return the highest memory in MiB, shared pages counted once, and CPU seconds, of a process and its heirs."""
    peak_mb = 0.0
    cpu_s = 0.0
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        memory = 0
        times = 0.0
        for each in (process, *process.children(recursive=True)):
            try:
                memory += each.memory_full_info().pss
                times += sum(each.cpu_times()[:4])
            except psutil.Error:
                continue  # it has just ended
        peak_mb = max(peak_mb, memory / 2**20)
        cpu_s = max(cpu_s, times)
        time.sleep(INTERVAL_S)
    return peak_mb, cpu_s


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--tests", type=int, default=20, help="of each row")
    parser.add_argument("--read-only", action="store_true", help="a set without references: nothing runs")
    arguments = parser.parse_args()
    result = measure(arguments.rows, arguments.tests, read_only=arguments.read_only)
    if arguments.json:
        print(json.dumps({"ingestion": result}))
        return
    for name, value in result.items():
        print(f"{name:14} {value}")


if __name__ == "__main__":
    main()
