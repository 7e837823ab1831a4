"""Program runs: executes the programs of a benchmark's samples.

What became of each is kept once it is known, so that a killed evaluation goes on where it stopped.
"""

import hashlib
import json
import logging
import platform
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import compress, count, islice
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from filelock import FileLock

from iterpref_core.execution import Program, ProgramRunner
from iterpref_core.progress import show_progress
from iterpref_core.records import Sample, Verdict
from iterpref_core.storage.code_digest import code_digest
from iterpref_core.storage.jsonl import atomic_writer
from iterpref_core.storage.make_once import make_once
from iterpref_core.storage.run_store import RunStore, digest

logger = logging.getLogger(__name__)

JUDGED_BY = ("iterpref_core.evaluation", "iterpref_core.execution")
"""The code that decides verdicts."""
NAMED = 10
"""Tasks that a warning names."""
WINDOW = 32
"""Samples whose programs are at hand at once: enough that few programs of a sample are run after one that fails."""


class ProgramRun(NamedTuple):
    """What became of a sample.

    Attributes:
        verdict: on the first of its programs that did not pass; `passed` if all did.
        feedback: on that program.
        passed: its programs that passed before.
        cpu_s: CPU seconds of all that count.
    """

    verdict: Verdict
    feedback: str
    passed: int
    cpu_s: float


@dataclass
class Candidate:
    """A sample: its programs, to be run one after the other until one fails, and how many they are."""

    programs: Iterator[Program]
    count: int
    passed: int = 0
    cpu_s: float = 0.0
    known: bool = False


def single(program: Program) -> Candidate:
    """A sample that is one program."""
    return Candidate(iter([program]), 1)


def run_candidates(
    executor: ProgramRunner, candidates: Iterator[Candidate], window: int = WINDOW
) -> Iterator[tuple[int, ProgramRun]]:
    """Run the programs of many samples in turn; yields (index, what became of it) as that is known.

    In turn, because programs are started ahead of the outcomes that are known: of one sample alone, many would be under
    way when the first fails, each to its time limit.
    """
    waiting: deque[tuple[int, Candidate]] = deque()
    numbered = enumerate(candidates)

    def programs() -> Iterator[Program]:
        active: deque[tuple[int, Candidate]] = deque()
        for _ in count():
            active.extend(islice(numbered, window - len(active)))
            if not active:
                return
            index, candidate = active.popleft()
            program = None if candidate.known else next(candidate.programs, None)
            if program is not None:
                active.append((index, candidate))
                waiting.append((index, candidate))
                yield program

    for outcome in executor.run(programs()):
        index, candidate = waiting.popleft()
        if candidate.known:
            continue
        candidate.cpu_s += outcome.cpu_s
        candidate.passed += outcome.verdict == "passed"
        if outcome.verdict != "passed" or candidate.passed == candidate.count:
            candidate.known = True
            yield index, ProgramRun(outcome.verdict, outcome.feedback, candidate.passed, candidate.cpu_s)


class Journals:
    """Where an evaluation keeps what it has run; a context manager that forgets it once the results are written.

    Left by an error (or a kill) it stays, for the evaluation that is started again.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._used: list[Path] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            for path in self._used:
                path.unlink(missing_ok=True)

    def open(self, stack: ExitStack, identity: str) -> RunStore:
        """The store of a run, held until the stack is closed; another evaluation that runs the same waits."""
        path = self._folder / f"{digest(identity)}.sqlite"
        path.parent.mkdir(parents=True, exist_ok=True)
        stack.enter_context(FileLock(path.with_suffix(".lock")))
        self._used.append(path)
        return stack.enter_context(RunStore(path, identity))


def run_all(
    executor: ProgramRunner,
    candidates: Iterable[Candidate],
    names: Sequence[str],
    *,
    what: str,
    identity: Sequence[Any],
    journals: Journals,
    window: int = WINDOW,
) -> list[ProgramRun]:
    """What became of each sample, in order, with a progress bar.

    Args:
        executor: runs the programs.
        candidates: the samples. Those that a killed evaluation had finished are not even looked at twice.
        names: what tells each of them from all others of this run, such as its text's digest.
        what: for the progress bar.
        identity: everything else that the verdicts depend on besides the code, as JSON values.
        journals: where this evaluation keeps what it has run.
        window: samples whose programs are at hand at once.
    """
    with ExitStack() as stack:
        store = journals.open(stack, json.dumps([list(identity), code_digest(*JUDGED_BY), digest("\n".join(names))]))
        keys = [str(place) for place in range(len(names))]
        wanted = [key not in store for key in keys]
        rest = list(compress(keys, wanted))
        advance = stack.enter_context(show_progress(what, len(keys), done=len(keys) - len(rest)))
        for index, run in run_candidates(executor, compress(candidates, wanted), window):
            store[rest[index]] = run._asdict()
            advance(1)
        return [ProgramRun(**store[key]) for key in keys]


def name_of(sample: Sample) -> str:
    """What tells a sample from others."""
    return digest(sample.to_json())


def own_solutions(
    name: str,
    samples: Sequence[Sample],
    run: Callable[[Sequence[Sample]], list[ProgramRun]],
    folder: Path,
    identity: Sequence[Any],
) -> dict[str, ProgramRun]:
    """How a benchmark's own solutions fare, by task_id: run the first time, then read; says which of them fail.

    Evaluations that run at once run them only once. The outcomes are of one machine: how long a solution takes decides
    limits.

    Args:
        name: of the benchmark, for people.
        samples: its own solutions, one a task.
        run: runs samples.
        folder: where outcomes are kept.
        identity: everything that they depend on besides the machine and the code, as JSON values.
    """
    machine = [platform.node(), platform.machine(), code_digest(*JUDGED_BY)]
    key = json.dumps([list(identity), machine], sort_keys=True)
    path = folder / f"ground-truth-{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"

    def make(out: Path) -> None:
        found = dict(zip((sample.task_id for sample in samples), run(samples), strict=True))
        with atomic_writer(out) as file:
            json.dump(found, file, indent=1)

    make_once(path, make)
    runs = {task_id: ProgramRun(*fields) for task_id, fields in json.loads(path.read_text(encoding="utf-8")).items()}
    failed = [task_id for task_id, outcome in runs.items() if outcome.verdict != "passed"]
    if failed:
        shown = ", ".join(failed[:NAMED]) + (f" and {len(failed) - NAMED} more" if len(failed) > NAMED else "")
        logger.warning("%s: the benchmark's own solutions fail for %s; results.json says more", name, shown)
    return runs
