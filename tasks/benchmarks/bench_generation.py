"""`iterpref bench generation`: how near the loop without barriers comes to the time that a busy endpoint must take.

The endpoint is the mock one, in a process of its own: latencies are log-normal, and as many problems are solved by each
iteration as in the paper. Beside it: the same with a barrier after each iteration, and memory with many problems.
"""

import multiprocessing
import os
import platform
import re
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from iterpref_core.codeflow.batched_rounds import debug_problems
from iterpref_core.codeflow.codeflow import in_order, work_through
from iterpref_core.codeflow.problem_selection import selected, survey
from iterpref_core.codeflow.roles import Opened
from iterpref_core.codeflow.rollouts import Rollout, RolloutStore
from iterpref_core.codeflow.stream import stream_debugging
from iterpref_core.config import CodeflowParams, ExecutionParams
from iterpref_core.cores import usable_cores
from iterpref_core.execution import Engine, Executor, Outcome, Program, limits_of
from iterpref_core.inference.answer_store import AnswerStore, StoredEndpoint
from iterpref_core.inference.backend import Completion, Request, Sampling, derive_seed
from iterpref_core.inference.concurrent_prompts import ConcurrentEndpoint
from iterpref_core.inference.openai.mock_endpoint import Behavior, MockEndpoint, serve
from iterpref_core.inference.openai.openai_backend import OpenAIBackend
from iterpref_core.progress import show_progress
from iterpref_core.records import IoTest, Problem
from iterpref_core.report.labels import PAPER_PASS_RATES
from iterpref_core.storage.jsonl import write_jsonl
from tasks.common.stage_body import peak_mb


class _AtOnce(ConcurrentEndpoint):
    """Answers with a kilobyte of text."""

    concurrency = 64

    async def answer(self, request: Request, sampling: Sampling) -> Completion:  # noqa: ARG002 - the protocol's
        """Answer one request."""
        return Completion(f"```python\n# {request.seed}\n{'x = 1' * 200}\n```", 300, 400, truncated=False)


class _Judge(Engine):
    """Fails every draft and passes every refinement, without running them."""

    @property
    def places(self) -> int:
        """How many runs of one program are worth having under way at once."""
        return 2

    def run(self, programs: Iterable[Program], *, first: int = 0) -> Iterator[Outcome]:
        """Outcomes in the order of the programs, decided by their numbers."""
        for number, _ in enumerate(programs, first):
            yield Outcome("passed" if number % 2 else "wrong_answer", "f(1) returned 1, expected 2", 0, 1, "", 0.0, 0.0)

    def close(self) -> None:
        """End what it started: nothing."""


def bench_memory(params: CodeflowParams, few: int, many: int) -> dict[str, float]:
    """Peak memory of a process that debugs few problems, and of one that debugs many: MiB."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1, maxtasksperchild=1) as pool:  # a process for each
        peaks = [pool.apply(debug_many, (params, count)) for count in (few, many)]
    return {
        "memory_problems": float(many),
        "memory_few_mb": round(peaks[0], 1),
        "memory_many_mb": round(peaks[1], 1),
        "memory_growth_mb": round(peaks[1] - peaks[0], 1),
    }


def debug_many(params: CodeflowParams, count: int) -> float:
    """Debug so many problems in this process; its peak resident memory, MiB."""
    with tempfile.TemporaryDirectory(prefix="iterpref-bench-") as folder:
        problems = Path(folder) / "problems.jsonl"
        write_jsonl(problems, map(_problem, range(count)))
        survey(problems)
        with (
            RolloutStore(Path(folder) / "work.sqlite") as work,
            AnswerStore(Path(folder) / "answers.sqlite", "bench") as store,
        ):
            model = StoredEndpoint(_AtOnce(), "m", store)
            rest = (problem for problem in selected(problems) if problem.task_id not in work)
            work_through(rest, Opened(model, model), _Judge(), params, work.append)
            write_jsonl(Path(folder) / "trajectories.jsonl", in_order(problems, work))
    return peak_mb()


def _problem(number: int) -> Problem:
    test = IoTest(call="f(1)", expected="2")
    return Problem(task_id=f"problem-{number}", prompt=f"Task {number}. " * 20, entry_point="f", tests=(test,))


TRAJECTORIES, CONCURRENCY = 2000, 64
MEDIAN_S, SIGMA = 1.0, 1.0
MANY, FEW = 100_000, 1_000

_TASK, _VERSION = re.compile(r"task (\d+)\b"), re.compile(r"# version (\d+)")


class _MeteredExecutor(Executor):
    """Adds up the CPU seconds of the programs."""

    cpu_s = 0.0

    def run(self, programs: Iterable[Program], *, first: int = 0) -> Iterator[Outcome]:
        """Outcomes in the order of the programs."""
        for outcome in super().run(programs, first=first):
            self.cpu_s += outcome.cpu_s
            yield outcome


@dataclass(frozen=True)
class _Measured:
    """One run: its seconds, what it had to wait for at least, and what was asked."""

    seconds: float
    latency_s: float
    cpu_s: float
    calls: int
    most_in_flight: int
    solved: int

    def ideal(self) -> float:
        """Seconds that no loop can do without: the calls, as many at once as may be, or the programs on all cores."""
        return max(self.latency_s / CONCURRENCY, self.cpu_s / usable_cores())


def bench_generation(
    params: CodeflowParams,
    execution: ExecutionParams,
    trajectories: int = TRAJECTORIES,
    median_s: float = MEDIAN_S,
    problems: int = MANY,
) -> dict[str, float | str]:
    """Debug problems with the mock endpoint, without barriers and with one after each iteration.

    Args:
        params: the loop's settings, but for concurrency and wording.
        execution: limits of the programs, and how many run at once.
        trajectories: problems.
        median_s: of the latencies, seconds; their mean is 1.65 times that.
        problems: of the run whose memory is compared with that of a run of 1,000.

    Returns:
        `share_of_ideal` and `barrier_share_of_ideal`: ideal time / time, where ideal is the larger of the sum of the
        latencies / 64 calls and the programs' CPU seconds / cores; what both are made from; the memory; the machine.
    """
    load = os.getloadavg()[0]
    settings = params.model_copy(update={"source": "debugging", "concurrency": CONCURRENCY, "wording": "instruct"})
    streamed = _measure(settings, execution, trajectories, median_s, barrier=False)
    barrier = _measure(settings, execution, trajectories, median_s, barrier=True)
    return {
        "share_of_ideal": round(streamed.ideal() / streamed.seconds, 3),
        "barrier_share_of_ideal": round(barrier.ideal() / barrier.seconds, 3),
        "trajectories": float(trajectories),
        "concurrency": float(CONCURRENCY),
        "solved": float(streamed.solved),
        "calls": float(streamed.calls),
        "most_in_flight": float(streamed.most_in_flight),
        "seconds": round(streamed.seconds, 1),
        "ideal_s": round(streamed.ideal(), 1),
        "programs_cpu_s": round(streamed.cpu_s, 1),
        "barrier_seconds": round(barrier.seconds, 1),
        "barrier_ideal_s": round(barrier.ideal(), 1),
        **bench_memory(settings, FEW, problems),
        "machine": f"{usable_cores()} cores, {platform.machine()}, {platform.system()}",
        "load_before": round(load, 2),
    }


def _measure(
    params: CodeflowParams, execution: ExecutionParams, trajectories: int, median_s: float, *, barrier: bool
) -> _Measured:
    solved = 0
    with (
        tempfile.TemporaryDirectory(prefix="iterpref-bench-") as folder,
        _mock_process(median_s) as (url, channel),
        RolloutStore(Path(folder) / "work.sqlite") as work,
        AnswerStore(Path(folder) / "answers.sqlite", "bench") as store,
        show_progress("barrier" if barrier else "stream", trajectories, unit="trajectories") as advance,
    ):

        def keep(finished: Rollout) -> None:
            nonlocal solved
            solved += finished.trajectory.solved
            work.append(finished)
            advance()

        started = time.monotonic()
        backend = OpenAIBackend("mock", url, api="chat", concurrency=CONCURRENCY, timeout_s=600.0, attempts=3)
        endpoint = StoredEndpoint(backend, "mock", store, CONCURRENCY)
        with _MeteredExecutor(limits_of(execution), workers=execution.workers) as engine:
            if barrier:  # rounds in which all conversations take part, so that a round is an iteration
                everyone = params.model_copy(update={"concurrency": trajectories})
                for finished in debug_problems(made_up_problems(trajectories), endpoint, endpoint, engine, everyone):
                    keep(finished)
            else:
                stream_debugging(made_up_problems(trajectories), endpoint, endpoint, engine, params, keep)
        seconds = time.monotonic() - started
        channel.send("stop")
        stats = channel.recv()
    return _Measured(seconds, stats["latency_s"], engine.cpu_s, stats["calls"], stats["most_in_flight"], solved)


def made_up_problems(count: int) -> Iterator[Problem]:
    """Tasks of a line, each with one visible and one hidden test."""
    for number in range(count):
        prompt = f"This is task {number}. Write a function f(x) that returns the next integer."
        visible, hidden = (IoTest(call=f"f({x})", expected=str(x + 1)) for x in (number, number + 7))
        yield Problem(task_id=f"t{number}", prompt=prompt, entry_point="f", tests=(visible,), hidden_tests=(hidden,))


def answer(prompt: str, seed: int) -> str:  # noqa: ARG001 - the mock endpoint's protocol
    """A program that is right from that iteration on which the task's number decides, if ever."""
    task, version = _TASK.search(prompt), _VERSION.search(prompt)
    assert task is not None
    iteration = int(version[1]) + 1 if version else 0
    chance = derive_seed("difficulty", int(task[1])) / 2**31
    right = chance < PAPER_PASS_RATES[min(iteration, len(PAPER_PASS_RATES) - 1)]
    return f"Here it is.\n```python\ndef f(x):\n    return x + {int(right)}\n# version {iteration}\n```\n"


@contextmanager
def _mock_process(median_s: float) -> Iterator[tuple[str, Any]]:
    """The mock endpoint in a process of its own: its base URL, and a channel that gives its counts for any message."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve_mock, args=(median_s, theirs), daemon=True)
    process.start()
    try:
        yield ours.recv(), ours
    finally:
        process.terminate()
        process.join()


def _serve_mock(median_s: float, channel: "Connection[Any, Any]") -> None:
    mock = MockEndpoint(answer, Behavior(median_s=median_s, sigma=SIGMA))
    with serve(mock) as url:
        channel.send(url)
        channel.recv()
        channel.send(mock.stats())
