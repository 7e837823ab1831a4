"""Compare the execution engine with EvalPlus's, in interleaved processes: `python benchmarks/execution.py [--json]`.

`cpu_vs_evalplus` is the median over rounds of CPU seconds of a trivial program, ours over EvalPlus's, with every
isolation layer on. `executions_per_s` is with two workers. `cpu_vs_call` has the CPU seconds of other tests as
multiples of a call's: an assertion outside, and an assertion, a unit test and a pytest file inside. Each way of
running programs has a separate process, because a larger process forks more slowly.
"""

import argparse
import functools
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import psutil

from iterpref_core.storage.cores import usable_cores

CODE = "def f(x):\n    return x + 1\n"
RunPrograms = Callable[[int], None]


SUITE = """
import unittest
class T(unittest.TestCase):
    def setUp(self):
        self.n = 1
    def test_one(self):
        self.assertEqual(f(self.n), 2)
    def test_two(self):
        self.assertEqual(f(2), 3)
"""


@contextmanager
def ours(workers: int = 1, kind: str = "io") -> Iterator[tuple[RunPrograms, str]]:
    """Yield a function that runs a number of programs with this project's engine, and their isolation."""
    from iterpref_core.execution import Executor, Limits, Program
    from iterpref_core.records import AssertTest, IoTest, PytestTest, Test, UnittestTest

    tests: dict[str, Test] = {
        "io": IoTest(call="f(1)", expected="2"),
        "assert": AssertTest(code="assert f(1) == 2"),
        "inside": AssertTest(code="for n in [1]:\n    assert f(n) == 2"),
        "unittest": UnittestTest(code=SUITE),
        "pytest": PytestTest(code="from solution import f\n\ndef test_one():\n    assert f(1) == 2\n"),
    }
    program = Program(CODE, (tests[kind],))
    with Executor(Limits(), workers=workers) as executor:

        def run(count: int) -> None:
            for _, outcome in executor.run_each(range(count), lambda _: program):
                assert outcome.verdict == "passed"

        yield run, executor.isolation


@contextmanager
def evalplus() -> Iterator[tuple[RunPrograms, str]]:
    """Yield the same for EvalPlus's check, with the same test as an input and its expected result."""
    from evalplus.eval import PASS, untrusted_check

    def run(count: int) -> None:
        for _ in range(count):
            status, _ = untrusted_check(
                "humaneval",
                CODE,
                [[1]],
                "f",
                [2],
                0,
                [0.01],
                fast_check=True,
            )
            assert status == PASS

    yield run, "reliability_guard"


BESIDES = ("assert", "inside", "unittest", "pytest")
KINDS = {"ours": ours, "ours-two-workers": lambda: ours(2), "evalplus": evalplus}
KINDS |= {f"ours-{kind}": functools.partial(ours, kind=kind) for kind in BESIDES}
SHARE_OF_PROGRAMS = {
    "evalplus": 0.25,
    "ours-inside": 0.4,
    "ours-unittest": 0.4,
    "ours-pytest": 0.1,
}
"""Kind → the share of the programs that is run; slower kinds run fewer."""


def cpu_of_tree() -> float:
    """Return the CPU seconds of this process, its living descendants and their ended children."""
    this = psutil.Process()
    total = 0.0
    for process in (this, *this.children(recursive=True)):
        # User and system time, of the process itself and of the children that it has waited for.
        total += sum(process.cpu_times()[:4])
    return total


def run_kind(kind: str, count: int) -> dict[str, float | str]:
    """Measure the CPU and wall seconds of one program, in this process."""
    with KINDS[kind]() as (run, isolation):
        run(4)  # processes are started and modules loaded by now
        cpu = cpu_of_tree()
        wall = time.monotonic()
        run(count)
        return {
            "cpu_s": (cpu_of_tree() - cpu) / count,
            "wall_s": (time.monotonic() - wall) / count,
            "isolation": isolation,
        }


def in_a_process(kind: str, programs: int) -> dict[str, float | str]:
    """Return the result of `run_kind` in a separate process."""
    share = SHARE_OF_PROGRAMS.get(kind, 1.0)
    count = max(1, int(programs * share))
    command = [sys.executable, "-W", "ignore", __file__]
    command += ["--kind", kind]
    command += ["--programs", str(count)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    last_line = done.stdout.splitlines()[-1]
    cost: dict[str, float | str] = json.loads(last_line)
    return cost


def measure(rounds: int, programs: int) -> dict[str, object]:
    """Measure all kinds, round by round; each round begins with another kind and gives one ratio."""
    load = os.getloadavg()[0]
    kinds = list(KINDS)
    costs: dict[str, list[dict[str, float | str]]] = {kind: [] for kind in kinds}
    for turn in range(rounds):
        first = turn % len(kinds)
        for kind in kinds[first:] + kinds[:first]:
            costs[kind].append(in_a_process(kind, programs))

    def column(kind: str, measure: str) -> np.ndarray:
        return np.array([cost[measure] for cost in costs[kind]], dtype=float)

    ratios = column("ours", "cpu_s") / column("evalplus", "cpu_s")
    low, median, high = np.percentile(ratios, [25, 50, 75]).round(3)
    cpu_vs_call = {}
    for kind in BESIDES:
        multiples = column(f"ours-{kind}", "cpu_s") / column("ours", "cpu_s")
        cpu_vs_call[kind] = round(float(np.median(multiples)), 2)
    cpu_ms = {}
    for kind in kinds:
        cpu_s = float(np.median(column(kind, "cpu_s")))
        cpu_ms[kind] = round(1000 * cpu_s, 2)
    per_second = 1 / column("ours-two-workers", "wall_s")
    isolation = str(costs["ours"][0]["isolation"])
    return {
        "cpu_vs_evalplus": float(median),
        "cpu_vs_evalplus_quartiles": [float(low), float(high)],
        "cpu_vs_call": cpu_vs_call,
        "tier": isolation.partition(":")[0],
        "isolation": isolation,
        "executions_per_s": round(float(np.median(per_second)), 1),
        "cpu_ms": cpu_ms,
        "machine": f"{usable_cores()} cores, {platform.machine()}, {platform.system()}",
        "load_before": round(load, 2),
        "load_after": round(os.getloadavg()[0], 2),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--programs", type=int, default=1000, help="of each round")
    parser.add_argument("--kind", choices=KINDS, help="measure this way of running alone, in this process")
    arguments = parser.parse_args()
    if arguments.kind:
        cost = run_kind(arguments.kind, arguments.programs)
        print(json.dumps(cost))
        return
    result = measure(arguments.rounds, arguments.programs)
    if arguments.json:
        print(json.dumps({"execution": result}))
        return
    for name, value in result.items():
        print(f"{name:26} {value}")


if __name__ == "__main__":
    main()
