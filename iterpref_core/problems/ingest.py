"""Ingestion of foreign problems: read from files, and checked by running their references."""

from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, NamedTuple

from iterpref_core.config import ExecutionParams
from iterpref_core.errors import InputError, RecordError
from iterpref_core.execution import Outcome, check_tests, open_executor, reference_outcomes
from iterpref_core.input_files import Place
from iterpref_core.problems.formats import ProblemFormat
from iterpref_core.problems.formats.evalplus_format import read_evalplus
from iterpref_core.problems.formats.humaneval_format import HumanEvalTask, convert_humaneval
from iterpref_core.problems.formats.json_items import Broken, Entry, count_items, read_entries
from iterpref_core.problems.formats.mbpp_format import MbppTask, convert_mbpp
from iterpref_core.problems.problems import own_split
from iterpref_core.progress import show_progress
from iterpref_core.records import Problem, Record, Verdict
from iterpref_core.storage.jsonl import atomic_writers

NAMED = 10
"""Broken problems that the result names; the file of verdicts has them all."""


class ReferenceVerdict(Record):
    """What happened to a problem's reference; `verdict` is absent where there is none, `line` is where it stands."""

    task_id: str
    verdict: Verdict | None = None
    feedback: str = ""
    line: int


@dataclass(frozen=True)
class IngestOptions:
    """What to take.

    Attributes:
        skip_broken: leave problems whose reference fails out, instead of stopping at the first; None: as the format has
            it (a published set cannot be corrected by whoever uses it, a file of one's own can).
        keep_benchmarks: take tasks that benchmarks evaluate on too: to measure with them, never to train on them.
    """

    skip_broken: bool | None = None
    keep_benchmarks: bool = False


class Form(NamedTuple):
    """A format: how a source of it is read, how many entries that has, and whether it is one of published sets."""

    read: Callable[[Path, ExecutionParams, IngestOptions], Iterator[Entry]]
    count: Callable[[Path], int]
    published: bool


def _read_jsonl(path: Path, _execution: ExecutionParams, _options: IngestOptions) -> Iterator[Entry]:
    return read_entries(path, Problem, lambda problem: problem)


def _read_mbpp(path: Path, _execution: ExecutionParams, options: IngestOptions) -> Iterator[Entry]:
    return read_entries(path, MbppTask, partial(convert_mbpp, keep_benchmarks=options.keep_benchmarks))


def _read_humaneval(path: Path, _execution: ExecutionParams, options: IngestOptions) -> Iterator[Entry]:
    return read_entries(path, HumanEvalTask, partial(convert_humaneval, keep_benchmarks=options.keep_benchmarks))


def _read_evalplus(path: Path, execution: ExecutionParams, options: IngestOptions) -> Iterator[Entry]:
    return read_evalplus(path, execution, keep_benchmarks=options.keep_benchmarks)


FORMS: dict[ProblemFormat, Form] = {
    "jsonl": Form(_read_jsonl, count_items, published=False),
    "mbpp": Form(_read_mbpp, count_items, published=True),
    "humaneval": Form(_read_humaneval, count_items, published=True),
    "evalplus": Form(_read_evalplus, count_items, published=True),
}


@dataclass(frozen=True)
class Ingested:
    """What became of a source.

    Attributes:
        counts: `problems` written; `references/<verdict>` of those that could be (`none`: without a reference);
            `dropped/<reason>` of those left out, and `dropped_tests/<reason>`.
        broken: the first `NAMED` problems whose reference fails.
    """

    counts: dict[str, float]
    broken: tuple[ReferenceVerdict, ...]


def ingest(
    source: Path,
    form: ProblemFormat,
    out: Path,
    execution: ExecutionParams,
    options: IngestOptions,
    verdicts: Path | None = None,
) -> Ingested:
    """Turn a file into `problems.jsonl`; nothing is written unless every problem in there is sound. Streams.

    Args:
        source: JSONL or a JSON array, plain or gzipped (`.gz`).
        form: its format.
        out: JSONL of problems to write.
        execution: limits for running the references.
        options: what to take.
        verdicts: where to write JSONL of `ReferenceVerdict`, one for each problem that is not left out unseen.

    Raises:
        RecordError: a line is broken, lacks a field, has no test, names an unknown split or repeats a task_id; or its
            reference fails its tests, and broken problems are not skipped.
        InputError: the file is absent, or no problem of it can be taken.
    """
    with ExitStack() as stack:
        skip_broken = FORMS[form].published if options.skip_broken is None else options.skip_broken
        out_file, verdicts_file = stack.enter_context(atomic_writers(out, verdicts))
        assert out_file is not None
        intake = _Intake(source, skip_broken=skip_broken, out=out_file, verdicts=verdicts_file)
        executor = stack.enter_context(open_executor(execution))
        advance = stack.enter_context(show_progress("ingest", FORMS[form].count(source), unit="problems"))
        problems = intake.take(FORMS[form].read(source, execution, options), advance)
        for problem, outcome in reference_outcomes(problems, executor):
            intake.settle(problem, outcome)
        return intake.result()


class _Intake:
    """Entries on their way to a file: each is refused, left out for a reason, or judged and written, and counted."""

    def __init__(self, source: Path, *, skip_broken: bool, out: IO[str], verdicts: IO[str] | None) -> None:
        self._source, self._skip_broken, self._out, self._verdicts = source, skip_broken, out, verdicts
        self._counts: Counter[str] = Counter(problems=0)
        self._broken: list[ReferenceVerdict] = []
        self._seen: dict[str, Place] = {}
        self._waiting: deque[Entry] = deque()

    def take(self, entries: Iterator[Entry], advance: Callable[[], None]) -> Iterator[Problem]:
        """The problems to be judged, in order; what needs no judgement is dealt with here."""
        for entry in entries:
            advance()
            self._counts.update({f"dropped_tests/{reason}": count for reason, count in entry.dropped_tests.items()})
            if isinstance(entry.found, str):
                self._counts[f"dropped/{entry.found}"] += 1
                continue
            self._check_id(entry, entry.found.task_id)
            self._waiting.append(entry)
            if isinstance(entry.found, Problem):
                own_split(entry.found, str(entry.where))
                check_tests(entry.found, entry.where, visible=True)
                yield entry.found

    def settle(self, problem: Problem, outcome: Outcome | None) -> None:
        """Write a problem whose reference passes, or that has none."""
        self._settle_broken()
        if self._judge(self._waiting.popleft(), problem.task_id, outcome):
            self._out.write(problem.to_json() + "\n")
            self._counts["problems"] += 1

    def _settle_broken(self) -> None:
        """Report the next problems, as far as their readers have found them broken already."""
        while self._waiting and isinstance(self._waiting[0].found, Broken):
            entry = self._waiting.popleft()
            assert isinstance(entry.found, Broken)
            self._judge(entry, entry.found.task_id, entry.found.outcome)

    def result(self) -> Ingested:
        """The counts and names, once all is settled.

        Raises:
            InputError: there is no problem.
        """
        self._settle_broken()
        if not self._counts["problems"]:
            left_out = ", ".join(f"{n} {name.removeprefix('dropped/')}" for name, n in self._counts.items() if n)
            raise InputError(
                f"{self._source}: no problem to ingest ({left_out or 'it is empty'}); check the file and --format"
            )
        return Ingested({name: float(count) for name, count in self._counts.items()}, tuple(self._broken))

    def _check_id(self, entry: Entry, task_id: str) -> None:
        if task_id in self._seen:
            raise RecordError(
                f"{entry.where}: field 'task_id': {task_id!r} was already used at {self._seen[task_id]}; "
                "give every problem its own"
            )
        self._seen[task_id] = entry.where

    def _judge(self, entry: Entry, task_id: str, outcome: Outcome | None) -> bool:
        """Report the verdict on a reference; whether the problem is to be taken."""
        sound = outcome is None or outcome.verdict == "passed"
        if outcome is not None and not sound and not self._skip_broken:
            raise RecordError(
                f"{entry.where}: field 'reference' of {task_id!r}: fails its own tests "
                f"({outcome.verdict}: {outcome.feedback}); correct the reference or the tests, or leave such problems "
                "out with --skip-broken"
            )
        found = ReferenceVerdict(
            task_id=task_id,
            verdict=outcome.verdict if outcome else None,
            feedback=outcome.feedback if outcome else "",
            line=entry.where.line,
        )
        self._counts[f"references/{found.verdict or 'none'}"] += 1
        if self._verdicts is not None:
            self._verdicts.write(found.to_json() + "\n")
        if not sound:
            # An infra_error says nothing about the reference, but it is not known to pass either.
            reason = "reference_not_run" if found.verdict == "infra_error" else "reference_fails"
            self._counts[f"dropped/{reason}"] += 1
            if len(self._broken) < NAMED:
                self._broken.append(found)
        return sound
