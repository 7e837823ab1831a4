"""Starts `evalplus_harness.py` and reads its answers, whatever the programs under test do to it."""

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, cast

from iterpref_core.errors import ExecutionError
from iterpref_core.evaluation.evalplus_data import RELEASES, EvalPlusData
from iterpref_core.records import Verdict

HARNESS = "evalplus-0.3.1+find_zero"
"""EvalPlus's evaluator, with the correction of HumanEval/32 that its next version has (see `evalplus_harness.Root`)."""

ISOLATION = "evalplus-0.3.1 reliability_guard"
"""All that keeps a program in check while EvalPlus tests it. EvalPlus says itself that this is no sandbox."""

LIMITS = {"min_time_limit_s": 1.0, "gt_time_limit_factor": 4.0, "timeout_per_task_s": 60, "memory_mb": 4096}
"""EvalPlus's defaults: a test may take the larger of 1 s and 4 times the canonical solution's time."""

SILENCE_S = 300.0
"""A harness that answers nothing for so long hangs: its own backstop for one program is 240 s."""

_SCRIPT = Path(__file__).with_name("evalplus_harness.py")


@dataclass(frozen=True)
class Scoring:
    """A program to score: as it is, or taken out of a model's answer by EvalPlus's `sanitize`."""

    task_id: str
    solution: str
    sanitize: bool = False


@dataclass(frozen=True)
class Scored:
    """The program that was run, and EvalPlus's verdicts on the base tests, and on base and plus tests together.

    EvalPlus says pass, fail or timeout; here these are `passed`, `syntax_error` (does not compile), `exception` (failed
    before its first test, for instance because the entry point is missing), `wrong_answer` (failed a test, by its
    value, an exception or that test's time limit) and `timeout` (also: the program ended its own process). `crash`
    means that it took down the process that was testing it.
    """

    solution: str
    base: Verdict
    plus: Verdict


class HarnessLostError(ExecutionError):
    """A harness that had started died or fell silent: some program's doing."""


@dataclass(frozen=True)
class _Run:
    """What stays the same when a harness has to be started again."""

    data: EvalPlusData
    oracle: Path
    action: Literal["check", "ground_truth"]
    home: Path


def run_harness(
    action: Literal["check", "ground_truth"],
    data: EvalPlusData,
    oracle: Path,
    items: Sequence[Scoring],
    workers: int,
) -> Iterator[tuple[int, Scored]]:
    """Score programs; yields (index into items, what came of it) as they finish.

    Args:
        action: `ground_truth` computes the expected outputs of each item's task first, and stores them in `oracle`.
        data: the data set.
        oracle: folder of expected outputs.
        items: what to score.
        workers: programs at a time.

    Raises:
        ExecutionError: the harness does not work here; says nothing about any program.
    """
    left = dict(enumerate(items))
    with tempfile.TemporaryDirectory(prefix="iterpref-evalplus-", ignore_cleanup_errors=True) as home:
        run = _Run(data, oracle, action, Path(home))
        while left:
            indices = sorted(left)
            try:
                for answer in _answers(run, [left[index] for index in indices], workers):
                    index = indices[answer["index"]]
                    yield index, _scored(left.pop(index), answer)
            except HarnessLostError:
                if action == "ground_truth":
                    raise
                if workers == 1 and left:
                    culprit = min(left)
                    yield culprit, Scored(left.pop(culprit).solution, "crash", "crash")
                workers = 1  # one at a time, in order, it is clear which program it dies of


def _scored(item: Scoring, answer: dict[str, Any]) -> Scored:
    solution = answer["solution"] if answer["solution"] is not None else item.solution
    return Scored(solution, cast("Verdict", answer["base"]), cast("Verdict", answer["plus"]))


def _answers(run: _Run, items: Sequence[Scoring], workers: int) -> Iterator[dict[str, Any]]:
    requests = run.home / "requests.jsonl"
    requests.write_text("".join(json.dumps(vars(item)) + "\n" for item in items), encoding="utf-8")
    arguments = [run.action, run.data.name, str(run.oracle.resolve()), str(workers), str(requests)]
    with _process(run, arguments) as process:
        assert process.stdout is not None
        lines = _lines(process.stdout)
        ready = next(lines, None) is not None
        for line in lines:
            yield json.loads(line)
        code = process.wait()
    log = (run.home / "log").read_text(encoding="utf-8", errors="replace").strip()[-2000:]
    if not ready:
        raise ExecutionError(f"the EvalPlus harness does not start (code {code}): {log}")
    if code != 0:
        raise HarnessLostError(f"the EvalPlus harness ended with code {code}: {log}")


@contextmanager
def _process(run: _Run, arguments: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-I", "-W", "ignore", str(_SCRIPT), *arguments]
    with (run.home / "log").open("wb") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=run.home,
            env=_environment(run),
            start_new_session=True,
        )
    try:
        yield process
    finally:
        # The whole group, among it any process that a program has left behind.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def _environment(run: _Run) -> dict[str, str]:
    """Nothing of this process's environment: it may hold tokens, and EvalPlus would write into the home directory."""
    return {
        "PATH": os.defpath,
        "HOME": str(run.home),
        "TMPDIR": str(run.home),
        "LANG": "C.UTF-8",
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        RELEASES[run.data.name].variable: str(run.data.path),
    }


def _lines(stream: IO[bytes]) -> Iterator[bytes]:
    """Lines of a pipe until it ends.

    Raises:
        HarnessLostError: nothing came for SILENCE_S.
    """
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while True:
            if not selector.select(SILENCE_S):
                raise HarnessLostError(f"the EvalPlus harness was silent for {SILENCE_S:.0f} s")
            block = os.read(stream.fileno(), 1 << 16)
            if not block:
                return
            *lines, rest = (rest + block).split(b"\n")
            yield from lines
