"""Ingestion of foreign problems: read from files, and checked by running their references."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal, NamedTuple

from iterpref_core.config import ExecutionParams
from iterpref_core.errors import InputError, RecordError
from iterpref_core.execution import check_tests, open_executor, reference_outcomes
from iterpref_core.input_files import Place
from iterpref_core.problems.formats.benchmark_membership import benchmark_of
from iterpref_core.problems.formats.humaneval_format import HumanEvalTask, convert_humaneval
from iterpref_core.problems.formats.json_items import count_items, parse_item, read_items
from iterpref_core.problems.formats.mbpp_format import MbppTask, convert_mbpp
from iterpref_core.problems.problems import hold_out, own_split
from iterpref_core.progress import show_progress
from iterpref_core.records import Problem, Record, Verdict
from iterpref_core.storage.jsonl import atomic_writer

ProblemFormat = Literal["jsonl", "mbpp", "humaneval"]


@dataclass(frozen=True)
class BrokenReference:
    """A problem whose reference does not pass; `line` is where it stands."""

    task_id: str
    verdict: Verdict
    feedback: str
    line: int


@dataclass(frozen=True)
class IngestOptions:
    """What to take.

    Attributes:
        skip_broken: leave problems whose reference fails out, instead of stopping at the first; None: as the format has
            it (a published set cannot be corrected by whoever uses it, a file of one's own can).
        keep_benchmarks: take tasks that benchmarks evaluate on too: to measure with them, never to train on them.
        heldout: share, 0 to 1, of the problems without a split that is held out.
        limit: take so many problems at most, the first ones; None for all.
    """

    skip_broken: bool | None = None
    keep_benchmarks: bool = False
    heldout: float = 0.0
    limit: int | None = None


class Form(NamedTuple):
    """A format: the class of a row, what makes a problem of it, and whether it is one of published sets."""

    row: type[Record]
    convert: Callable[[Any], Problem]
    published: bool


FORMS: dict[ProblemFormat, Form] = {
    "jsonl": Form(Problem, lambda problem: problem, published=False),
    "mbpp": Form(MbppTask, convert_mbpp, published=True),
    "humaneval": Form(HumanEvalTask, convert_humaneval, published=True),
}


@dataclass(frozen=True)
class Ingested:
    """What became of a source.

    Attributes:
        counts: `problems` written, and `heldout` of these; `references/<verdict>` of those that could be (`none`:
            without a reference); `dropped/<reason>` of those left out.
        broken: the problems whose reference does not pass.
    """

    counts: dict[str, float]
    broken: tuple[BrokenReference, ...]


def ingest(
    source: Path, form: ProblemFormat, out: Path, execution: ExecutionParams, options: IngestOptions
) -> Ingested:
    """Turn a file into `problems.jsonl`; nothing is written unless every problem in there is sound. Streams.

    Args:
        source: JSONL or a JSON array, plain or gzipped (`.gz`), or Parquet.
        form: its format.
        out: JSONL of problems to write.
        execution: limits for running the references.
        options: what to take.

    Raises:
        RecordError: a line is broken, lacks a field, has no test, has none that calls the entry point, names an unknown
            split or repeats a task_id; or its reference fails its tests, and broken problems are not skipped.
        InputError: the file is absent, or no problem of it can be taken.
    """
    skip_broken = FORMS[form].published if options.skip_broken is None else options.skip_broken
    counts: Counter[str] = Counter(problems=0)
    places: dict[str, Place] = {}
    broken: list[BrokenReference] = []
    with (
        atomic_writer(out) as file,
        open_executor(execution) as executor,
        show_progress("ingest", count_items(source), unit="problems") as advance,
    ):
        problems = islice(_read(source, FORMS[form], options, places, counts, advance), options.limit)
        for problem, outcome in reference_outcomes(problems, executor):
            verdict = outcome.verdict if outcome else "none"
            counts[f"references/{verdict}"] += 1
            if outcome is None or verdict == "passed":
                counts["problems"] += 1
                counts["heldout"] += problem.split == "heldout"
                file.write(problem.to_json() + "\n")
                continue
            where = places[problem.task_id]
            if not skip_broken:
                raise RecordError(
                    f"{where}: field 'reference' of {problem.task_id!r}: fails its own tests "
                    f"({verdict}: {outcome.feedback}); correct the reference or the tests, or leave such problems "
                    "out with --skip-broken"
                )
            # An infra_error says nothing about the reference, but it is not known to pass either.
            counts[f"dropped/{'reference_not_run' if verdict == 'infra_error' else 'reference_fails'}"] += 1
            broken.append(BrokenReference(problem.task_id, outcome.verdict, outcome.feedback, where.line))
        if not counts["problems"]:
            dropped = [f"{n} {name.removeprefix('dropped/')}" for name, n in counts.items() if n]
            found = ", ".join(dropped) or "it is empty"
            raise InputError(f"{source}: no problem to ingest ({found}); check the file and --format")
    return Ingested({name: float(count) for name, count in counts.items() if count}, tuple(broken))


def _read(
    source: Path,
    form: Form,
    options: IngestOptions,
    places: dict[str, Place],
    counts: Counter[str],
    advance: Callable[[], None],
) -> Iterator[Problem]:
    """The problems of a file that are to be judged; `places` gets where each stands, `counts` what is left out."""
    for item in read_items(source):
        advance()
        problem = parse_item(item, form.row, form.convert)
        if form.published and not options.keep_benchmarks and (benchmark := benchmark_of(problem.task_id)):
            counts[f"dropped/{benchmark}"] += 1
            continue
        if problem.task_id in places:
            raise RecordError(
                f"{item.where}: field 'task_id': {problem.task_id!r} was already used at {places[problem.task_id]}; "
                "give every problem its own"
            )
        places[problem.task_id] = item.where
        own_split(problem, str(item.where))
        check_tests(problem, item.where, visible=True)
        _check_entry_point(problem, item.where)
        yield hold_out(problem, options.heldout)


def _check_entry_point(problem: Problem, where: Place) -> None:
    """Whether some test names what the problem says that its tests call; scripts import a module."""
    texts = [problem.setup or ""]
    for test in problem.tests + problem.hidden_tests:
        if test.kind == "script":
            return
        texts.append(test.call if test.kind == "io" else test.code)
    if problem.entry_point and not re.search(rf"\b{re.escape(problem.entry_point)}\b", "\n".join(texts)):
        raise RecordError(
            f"{where}: field 'entry_point' of {problem.task_id!r}: no test calls {problem.entry_point!r}; name the "
            "function that the tests call"
        )
