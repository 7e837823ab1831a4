"""Ways of running programs, each in a process of its own that holds nothing else: the larger, the slower it forks.

    python -m tasks.benchmarks.execution_runners KIND

For every line with a number, so many trivial programs are run, and a JSON line says what that cost. KIND
`ground-truths` compares EvalPlus with this project's engine on HumanEval+, one JSON line for every task.
"""

import gc
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import IO, Any

import psutil

CODE = "def f(x):\n    return x + 1\n"
Run = Callable[[int], None]
Workers = Callable[[], list[int]]


def _reaped_cpu_s() -> float:
    """CPU seconds of this process and of all its ended children."""
    import resource  # not on Windows, where nothing is benchmarked

    usages = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _trees(pids: Iterable[int]) -> Iterator[psutil.Process]:
    for pid in pids:
        process = psutil.Process(pid)
        yield from [process, *process.children(recursive=True)]


def _living_cpu_s(pids: Iterable[int]) -> float:
    """CPU seconds of processes that live on, of their descendants, and of what these have reaped."""
    return sum(sum(process.cpu_times()[:4]) for process in _trees(pids))


def _memory_mb(pids: Iterable[int]) -> float:
    """Resident memory of this process and some others; shared pages count by their share."""
    return float(sum(process.memory_full_info().pss for process in _trees([*pids, os.getpid()]))) / 2**20


@contextmanager
def _ours(workers: int, *, inside: bool) -> Iterator[tuple[Run, Workers, str]]:
    """This project's engine; `inside`: the test runs inside the sandbox, and so needs a negative control."""
    from iterpref_core.execution import Executor, Limits, Program
    from iterpref_core.records import AssertTest, IoTest, Test

    test: Test = AssertTest(code="two = 2\nassert f(1) == two") if inside else IoTest(call="f(1)", expected="2")
    program = Program(CODE, (test,))
    with Executor(Limits(), workers=workers) as executor:

        def run(count: int) -> None:
            assert all(outcome.verdict == "passed" for outcome in executor.run(program for _ in range(count)))

        yield run, executor.worker_pids, executor.isolation


@contextmanager
def _evalplus() -> Iterator[tuple[Run, Workers, str]]:
    from evalplus.eval import PASS, untrusted_check

    def run(count: int) -> None:
        for _ in range(count):
            status, _ = untrusted_check("humaneval", CODE, [[1]], "f", [2], 0, [0.01], fast_check=True)
            assert status == PASS

    yield run, list, "reliability_guard"


@contextmanager
def _human_eval() -> Iterator[tuple[Run, Workers, str]]:
    from tasks.benchmarks.human_eval import check

    def run(count: int) -> None:
        for _ in range(count):
            assert check(f"{CODE}\nassert f(1) == 2\n", 3.0) == "passed"

    yield run, list, "reliability_guard"


KINDS: dict[str, Callable[[], Any]] = {
    "ours": lambda: _ours(1, inside=False),
    "ours-two-workers": lambda: _ours(2, inside=False),
    "ours-with-controls": lambda: _ours(1, inside=True),
    "evalplus": _evalplus,
    "human-eval": _human_eval,
}


def _serve(kind: str, answers: IO[str]) -> None:
    with KINDS[kind]() as (run, workers, isolation):
        run(2)
        for line in sys.stdin:
            cpu, wall = _reaped_cpu_s() + _living_cpu_s(workers()), time.monotonic()
            run(int(line))
            cost = {
                "cpu_s": _reaped_cpu_s() + _living_cpu_s(workers()) - cpu,
                "wall_s": time.monotonic() - wall,
                "memory_mb": _memory_mb(workers()),
                "isolation": isolation,
            }
            answers.write(json.dumps(cost) + "\n")
            answers.flush()


def _ground_truths(answers: IO[str]) -> None:
    """CPU seconds of each canonical solution with all its inputs, by both. What is expected is prepared before."""
    from evalplus.data import get_human_eval_plus
    from evalplus.eval import PASS, untrusted_check
    from evalplus.gen.util import trusted_exec

    from iterpref_core.execution import Executor, Limits
    from iterpref_core.execution.evalplus_tasks import program_of_task

    limits = Limits(cpu_s=60, wall_s=240, memory_mb=4096, output_kb=1024, file_mb=64)
    tasks = get_human_eval_plus()
    with Executor(limits, workers=1, preload=("numpy",)) as executor:
        for number, (task_id, task) in enumerate(tasks.items()):
            name, atol, inputs = task["entry_point"], task["atol"], [*task["base_input"], *task["plus_input"]]
            code = task["prompt"] + task["canonical_solution"]
            expected, times = trusted_exec(code, inputs, name, record_time=True)
            program = program_of_task("humaneval", name, code, inputs=inputs, expected=expected, atol=atol)
            gc.collect()
            gc.freeze()

            def ours(program: Any = program) -> bool:
                (outcome,) = executor.run([program])
                return outcome.verdict == "passed"

            def theirs(code: Any = code, rest: Any = (inputs, name, expected, atol, times)) -> bool:
                status, _ = untrusted_check("humaneval", code, *rest, fast_check=True)
                return bool(status == PASS)

            if number == 0:
                ours()
            row: dict[str, Any] = {"task_id": task_id}
            runs: list[tuple[str, Callable[[], bool]]] = [("ours", ours), ("theirs", theirs)]
            for who, run in runs if number % 2 else runs[::-1]:
                before = _reaped_cpu_s() + _living_cpu_s(executor.worker_pids())
                row[f"{who}_passed"] = run()
                row[who] = _reaped_cpu_s() + _living_cpu_s(executor.worker_pids()) - before
            answers.write(json.dumps(row) + "\n")
            answers.flush()


def main() -> None:
    """Serve one kind; what programs print goes to standard error."""
    (kind,) = sys.argv[1:]
    with ExitStack() as stack:
        answers = stack.enter_context(os.fdopen(os.dup(1), "w", encoding="utf-8"))
        os.dup2(2, 1)
        if kind == "ground-truths":
            _ground_truths(answers)
        else:
            _serve(kind, answers)


if __name__ == "__main__":
    main()
