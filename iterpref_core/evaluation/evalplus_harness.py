"""Scores programs with EvalPlus's own evaluator, in a process group of its own. Run as a script, never imported.

    python -I evalplus_harness.py ACTION DATASET ORACLE_FOLDER WORKERS REQUESTS

Requests are JSON lines `{"task_id", "solution", "sanitize"}`. Standard output has a line `ready`, then one JSON line
for every request, `{"index", "solution", "base", "plus"}`, in the order in which they finish. ACTION `ground_truth`
first computes and stores the expected outputs of each task, from its canonical solution, as EvalPlus does; `check`
uses the stored ones. The data set is found through EvalPlus's override variables.

Why a process of its own: EvalPlus forks for every check. Forking from a process that holds a model and its threads is
slow and can deadlock, a program that kills its parent must not take the evaluation with it, and EvalPlus reads
its settings from the environment when it is imported.

What keeps a program in check here is EvalPlus's `reliability_guard`: time limits, 4 GB of address space and a list of
functions set to None. Its authors say that it is not a security sandbox; nothing here adds to it.
"""

import gc
import gzip
import json
import multiprocessing
import os
import pickle
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import IO, Any, cast

from evalplus.data import get_human_eval_plus, get_mbpp_plus
from evalplus.eval import PASS, TIMEOUT, untrusted_check
from evalplus.eval._special_oracle import MBPP_OUTPUT_NOT_NONE_TASKS, _poly
from evalplus.gen.util import trusted_exec
from evalplus.sanitize import sanitize

ITEM_LIMIT_S = 240.0
"""Backstop for one program: EvalPlus ends each of its three checks after 63 s at the latest."""

Request = dict[str, Any]
Answer = dict[str, Any]


class Root:
    """Stands in for the expected value of HumanEval/32, and equals every zero of its polynomial.

    evalplus 0.3.1 has the right oracle for this task, but forgets to record the tests that pass it, and so fails every
    program, its own solution included (corrected upstream after the release: evalplus pull request 201 has the report).
    As an expected value the same oracle goes through the ordinary comparison, which records what passed.
    """

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, inputs: list[Any], atol: float) -> None:
        self._inputs, self._atol = inputs, atol

    def __eq__(self, other: object) -> bool:
        return bool(abs(_poly(*self._inputs, other)) <= self._atol)


class StoredOutputs:
    """Expected outputs of one task, read one by one in the process that compares them.

    Those of all tasks take 2.4 GB, nearly all of it for three tests. Read before forking, they would exist twice:
    comparing an object writes to its reference count, and so copies its memory.

    Raises:
        FileNotFoundError: the canonical solution failed, so there is nothing to compare with.
    """

    def __init__(self, path: Path) -> None:
        self._file = gzip.open(path, "rb")  # noqa: SIM115 - `reliability_guard` forbids opening files later
        self._next = 0
        self.times: list[float] = pickle.load(self._file)

    def __getitem__(self, index: int) -> Any:
        """The next output: EvalPlus asks for each once, in order."""
        assert index == self._next
        self._next += 1
        # Collections while millions of objects are being made take most of the time. One at the end, so that it
        # does not fall into the next test's second.
        gc.disable()
        try:
            return pickle.load(self._file)
        finally:
            gc.enable()
            gc.collect(0)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


@dataclass(frozen=True)
class Scorer:
    """Checks one program after the other against the tasks of one data set, with outputs stored in `oracle`."""

    dataset: str
    problems: dict[str, dict[str, Any]]
    oracle: Path

    def answer(self, request: Request, *, ground_truth: bool) -> Answer:
        """Check one program; `ground_truth` computes the task's expected outputs first."""
        problem = self.problems[request["task_id"]]
        if ground_truth:
            self._store_oracle(problem)
        solution = request["solution"]
        if request["sanitize"]:
            solution = _sanitize(solution, problem["entry_point"])
        base, plus = self._check(problem, solution)
        return {"solution": solution, "base": base, "plus": plus}

    def _check(self, problem: dict[str, Any], solution: str) -> tuple[str, str]:
        """Verdicts on the base tests alone, and on base and plus tests together, which is what EvalPlus's "+" means.

        The first two steps only save time: a program that does not compile, or fails before it has defined its entry
        point, fails every later check too.
        """
        if not _compiles(solution):
            return "syntax_error", "syntax_error"
        name, atol = problem["entry_point"], problem["atol"]
        defined, _ = untrusted_check(self.dataset, solution, [], name, [], atol, [], fast_check=True)
        if defined not in (PASS, TIMEOUT):
            return "exception", "exception"
        base = self._run_tests(problem, solution, "base")
        return base, base if base != "passed" else self._run_tests(problem, solution, "plus")

    def _run_tests(self, problem: dict[str, Any], solution: str, suite: str) -> str:
        try:
            stored = StoredOutputs(self._oracle_file(problem["task_id"], suite))
        except FileNotFoundError:
            return "infra_error"
        name, atol, inputs = problem["entry_point"], problem["atol"], problem[f"{suite}_input"]
        dataset, expected = self.dataset, cast("list[Any]", stored)
        if dataset == "humaneval" and name == "find_zero":
            dataset, expected = "humaneval with roots", [Root(values, atol) for values in inputs]
        with closing(stored):
            status, details = untrusted_check(
                dataset, solution, inputs, name, expected, atol, stored.times, fast_check=True
            )
        if status == PASS:
            return "passed"
        if status == TIMEOUT:
            return "timeout"
        return "wrong_answer" if details else "exception"

    def _oracle_file(self, task_id: str, suite: str) -> Path:
        return self.oracle / f"{task_id.replace('/', '_')}.{suite}.pkl.gz"

    def _store_oracle(self, problem: dict[str, Any]) -> None:
        """Store what `evalplus.evaluate.get_groundtruth` computes for one task: the seconds each test took, outputs.

        In a process of its own: the outputs of Mbpp/255 take 1.4 GB, which a process that lives on would keep.
        """
        process = multiprocessing.Process(target=self._compute_oracle, args=(problem,))
        process.start()
        process.join()
        if process.exitcode != 0:
            for suite in ("base", "plus"):
                self._oracle_file(problem["task_id"], suite).unlink(missing_ok=True)

    def _compute_oracle(self, problem: dict[str, Any]) -> None:
        code, name = problem["prompt"] + problem["canonical_solution"], problem["entry_point"]
        not_none = self.dataset == "mbpp" and name in MBPP_OUTPUT_NOT_NONE_TASKS
        for suite in ("base", "plus"):
            outputs, times = trusted_exec(
                code, problem[f"{suite}_input"], name, record_time=True, output_not_none=not_none
            )
            with gzip.open(self._oracle_file(problem["task_id"], suite), "wb", compresslevel=1) as file:
                for item in (times, *outputs):
                    pickle.dump(item, file, protocol=pickle.HIGHEST_PROTOCOL)


def _compiles(solution: str) -> bool:
    try:
        compile(solution, "<solution>", "exec")
    except (SyntaxError, ValueError):
        return False
    except (MemoryError, RecursionError):  # depends on the stack that is left: EvalPlus decides
        return True
    return True


def _sanitize(solution: str, entry_point: str) -> str:
    try:
        return str(sanitize(solution, entry_point))
    except (RecursionError, ValueError):  # text that Python's parser refuses otherwise than by a SyntaxError
        return solution


@dataclass
class Worker:
    """A process that answers requests, and the one it is at."""

    process: multiprocessing.Process
    connection: Connection
    index: int
    deadline: float


def serve(scorer: Scorer, requests: list[Request], workers: int, *, ground_truth: bool) -> Iterator[Answer]:
    """Answer all requests on `workers` processes. One that dies or hangs is replaced, and its program has failed."""
    pending = deque(enumerate(requests))
    active: list[Worker] = []
    while pending or active:
        while pending and len(active) < workers:
            active.append(_start(scorer, ground_truth))
            _assign(active[-1], *pending.popleft())
        wait([worker.connection for worker in active], timeout=0.5)
        for worker in list(active):
            answer = _collect(worker)
            if answer is None:
                continue
            yield {"index": worker.index, **answer}
            if pending and worker.process.is_alive():
                _assign(worker, *pending.popleft())
            else:
                active.remove(worker)
                _end(worker)


def _start(scorer: Scorer, ground_truth: bool) -> Worker:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=_work, args=(scorer, theirs, ground_truth))
    process.start()
    theirs.close()
    return Worker(process, ours, -1, 0.0)


def _assign(worker: Worker, index: int, request: Request) -> None:
    worker.index, worker.deadline = index, time.monotonic() + ITEM_LIMIT_S
    worker.connection.send(request)


def _collect(worker: Worker) -> Answer | None:
    """The worker's answer; a verdict in its place if it died or ran out of time; None while it works."""
    alive = worker.process.is_alive()
    try:
        if worker.connection.poll():
            return dict(worker.connection.recv())
    except (EOFError, OSError):
        alive = False
    if not alive:
        return {"solution": None, "base": "crash", "plus": "crash"}
    if time.monotonic() > worker.deadline:
        _end(worker)
        return {"solution": None, "base": "timeout", "plus": "timeout"}
    return None


def _end(worker: Worker) -> None:
    """Kill rather than hang up: processes forked later hold copies of the pipe, so a worker would not notice."""
    worker.process.kill()
    worker.process.join()
    worker.connection.close()


def _work(scorer: Scorer, connection: Connection, ground_truth: bool) -> None:
    while True:
        try:
            request = connection.recv()
        except EOFError:
            return
        connection.send(scorer.answer(request, ground_truth=ground_truth))


def main() -> None:
    """Answer the requests of one file."""
    action, dataset, oracle, workers, requests_path = sys.argv[1:]
    answers = _take_stdout()
    problems = get_human_eval_plus() if dataset == "humaneval" else get_mbpp_plus()
    requests = [json.loads(line) for line in Path(requests_path).read_text(encoding="utf-8").splitlines()]
    gc.freeze()  # forked processes then leave these objects' memory shared
    answers.write("ready\n")
    answers.flush()
    scorer = Scorer(dataset, problems, Path(oracle))
    for answer in serve(scorer, requests, int(workers), ground_truth=action == "ground_truth"):
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _take_stdout() -> IO[str]:
    """Keep standard output for answers: programs, and EvalPlus, print to what is now standard error."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return answers


if __name__ == "__main__":
    multiprocessing.set_start_method("fork")
    main()
