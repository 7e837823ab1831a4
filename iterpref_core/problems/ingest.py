"""Ingestion of foreign problems: read from files, and checked by running their references."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from iterpref_core.config import ExecutionParams
from iterpref_core.errors import InputError, RecordError
from iterpref_core.execution import check_tests, open_executor, reference_outcomes
from iterpref_core.input_files import Place
from iterpref_core.problems.formats.json_items import parse_item
from iterpref_core.problems.formats.mbpp_format import MbppTask, convert_mbpp, mbpp_plus_ids
from iterpref_core.problems.problems import hold_out, own_split
from iterpref_core.progress import show_progress
from iterpref_core.records import Problem, Verdict
from iterpref_core.storage.items import count_items, read_items
from iterpref_core.storage.jsonl import atomic_writer
from iterpref_core.storage.parquet import RowPlace

ProblemFormat = Literal["jsonl", "mbpp"]


@dataclass(frozen=True)
class BrokenReference:
    """A problem whose reference does not pass; `line` is where it stands."""

    task_id: str
    verdict: Verdict
    feedback: str
    line: int


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


def ingest(source: Path, form: ProblemFormat, out: Path, execution: ExecutionParams, heldout: float = 0.0) -> Ingested:
    """Turn a file into `problems.jsonl`; a problem whose reference does not pass is left out and named. Streams.

    Args:
        source: JSONL, plain or gzipped (`.gz`), or Parquet.
        form: its format.
        out: JSONL of problems to write.
        execution: limits for running the references.
        heldout: share, 0 to 1, of the problems without a split that is held out.

    Raises:
        RecordError: a line is broken, lacks a field, has no test, names an unknown split or repeats a
            task_id.
        InputError: the file is absent, or no problem of it can be taken.
    """
    counts: Counter[str] = Counter(problems=0)
    places: dict[str, Place | RowPlace] = {}
    broken: list[BrokenReference] = []
    with (
        atomic_writer(out) as file,
        open_executor(execution) as executor,
        show_progress("ingest", count_items(source), unit="problems") as advance,
    ):
        problems = (hold_out(problem, heldout) for problem in _read(source, form, places, counts, advance))
        for problem, outcome in reference_outcomes(problems, executor):
            verdict = outcome.verdict if outcome else "none"
            counts[f"references/{verdict}"] += 1
            if outcome is None or verdict == "passed":
                counts["problems"] += 1
                counts["heldout"] += problem.split == "heldout"
                file.write(problem.to_json() + "\n")
            else:
                # An infra_error says nothing about the reference, but it is not known to pass either.
                counts[f"dropped/{'reference_not_run' if verdict == 'infra_error' else 'reference_fails'}"] += 1
                line = places[problem.task_id].line
                broken.append(BrokenReference(problem.task_id, outcome.verdict, outcome.feedback, line))
        if not counts["problems"]:
            dropped = [f"{n} {name.removeprefix('dropped/')}" for name, n in counts.items() if n]
            first = f"; line {broken[0].line}: {broken[0].feedback}" if broken else ""
            explanation = ", ".join(dropped) or "it is empty"
            raise InputError(f"{source}: no problem to ingest ({explanation}{first}); check the file and --format")
    return Ingested({name: float(count) for name, count in counts.items() if count}, tuple(broken))


def _read(
    source: Path,
    form: ProblemFormat,
    places: dict[str, Place | RowPlace],
    counts: Counter[str],
    advance: Callable[[], None],
) -> Iterator[Problem]:
    """The problems of a file that are to be judged; `places` gets where each stands, `counts` what is left out."""
    for item in read_items(source):
        advance()
        if form == "mbpp":
            problem = parse_item(item, MbppTask, convert_mbpp)
            if int(problem.task_id.removeprefix("mbpp/")) in mbpp_plus_ids():
                counts["dropped/in_mbpp_plus"] += 1
                continue
        else:
            problem = parse_item(item, Problem, lambda same: same)
        if problem.task_id in places:
            raise RecordError(
                f"{item.where}: field 'task_id': {problem.task_id!r} was already used at {places[problem.task_id]}; "
                "give every problem its own"
            )
        places[problem.task_id] = item.where
        own_split(problem, str(item.where))
        check_tests(problem, item.where, visible=True)
        yield problem
