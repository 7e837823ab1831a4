"""Data set export: pairs or problems as a folder of Parquet and a card, which `datasets.load_dataset` reads as it is.

Pairs have TRL's columns `prompt`, `chosen`, `rejected`; problems their record's fields, and a file for each split.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from iterpref_core.errors import InputError, RecordError
from iterpref_core.records import FocalSpans, PreferencePair, Problem
from iterpref_core.storage.jsonl import atomic_writer, check_spans, read_jsonl, read_pairs
from iterpref_core.storage.new_folder import new_folder
from iterpref_core.storage.parquet import write_splits

CARD = "README.md"
DATA = "data"
TRAIN = "train"
"""The split of what names none, as `load_dataset` calls it."""
_SPLIT = re.compile(r"\w+(\.\w+)*")


@dataclass
class DataSet:
    """What a data set holds, for its card.

    Attributes:
        splits: split → rows.
        sources: where the problems come from → rows; None where that is not known.
        methods: how error regions were found → pairs.
        tests: kind of test → problems that have one.
        references: problems with a reference.
    """

    splits: dict[str, int] = field(default_factory=dict)
    sources: Counter[str | None] = field(default_factory=Counter)
    methods: Counter[str] = field(default_factory=Counter)
    tests: Counter[str] = field(default_factory=Counter)
    references: int = 0


Describe = Callable[[DataSet], str]
"""Writes the card."""


def export_pairs(
    pairs: Path, spans: Path | None, problems: Path | None, out: Path, describe: Describe
) -> dict[str, float | str]:
    """Write preference pairs, each with its error region where it has one.

    Args:
        pairs: JSONL of pairs.
        spans: JSONL of their spans, in the pairs' order; without it there are no columns for them.
        problems: JSONL of problems, for where the pairs come from; may be absent.
        out: folder, absent or empty.
        describe: writes the card.

    Returns:
        `out`, `pairs`, and how many of them have `spans`.

    Raises:
        RecordError: a line is broken, or spans are not of these pairs.
        InputError: `out` holds something, or there is no pair.
    """
    found = DataSet()
    source_of = {problem.task_id: problem.source for problem in read_jsonl(problems, Problem)} if problems else {}

    def rows() -> Iterator[tuple[str, dict[str, Any]]]:
        for pair, regions in _join(pairs, spans):
            found.sources[source_of.get(pair.problem_id)] += 1
            row = pair.model_dump()
            if regions is not None:
                found.methods[regions.method] += 1
                row |= {
                    "spans_method": regions.method,
                    "rejected_spans": regions.rejected,
                    "chosen_spans": regions.chosen,
                }
            yield TRAIN, row

    _write(out, rows(), _pair_schema(localized=spans is not None), found, describe, pairs)
    counts = {"pairs": float(sum(found.splits.values()))}
    return {"out": str(out)} | counts | ({"spans": float(found.methods.total())} if spans else {})


def export_problems(problems: Path, out: Path, describe: Describe) -> dict[str, float | str]:
    """Write problems with their tests, those of each split into a file of its own.

    Args:
        problems: JSONL of problems.
        out: folder, absent or empty.
        describe: writes the card.

    Returns:
        `out`, `problems`, and how many of each split.

    Raises:
        RecordError: a line is broken.
        InputError: `out` holds something, there is no problem, or a split's name cannot be a data set's.
    """
    found = DataSet()

    def rows() -> Iterator[tuple[str, dict[str, Any]]]:
        for problem in read_jsonl(problems, Problem, unique=True):
            split = problem.split or TRAIN
            if not _SPLIT.fullmatch(split):
                raise InputError(
                    f"{problems}: field 'split' of {problem.task_id!r}: {split!r} is not one word; change it"
                )
            found.sources[problem.source or None] += 1
            found.tests.update({test.kind for test in (*problem.tests, *problem.hidden_tests)})
            found.references += problem.reference is not None
            yield split, _problem_row(problem)

    _write(out, rows(), _problem_schema(), found, describe, problems)
    every = {"problems": float(sum(found.splits.values()))}
    return {"out": str(out)} | every | {f"problems/{split}": float(count) for split, count in found.splits.items()}


def _write(
    out: Path, rows: Iterator[tuple[str, dict[str, Any]]], schema: Any, found: DataSet, describe: Describe, given: Path
) -> None:
    with new_folder(out) as partial:
        found.splits = write_splits(partial / DATA, rows, schema)
        if not found.splits:
            raise InputError(f"{given}: has no record; look at the drop reasons of the stages before")
        with atomic_writer(partial / CARD) as file:
            file.write(describe(found))


def _join(pairs: Path, spans: Path | None) -> Iterator[tuple[PreferencePair, FocalSpans | None]]:
    """All pairs in order, with their spans where there are some."""
    remaining = iter(read_jsonl(spans, FocalSpans, unique=True)) if spans else iter(())
    following = next(remaining, None)
    for pair in read_pairs(pairs):
        found = following if following is not None and following.task_id == pair.task_id else None
        if found is not None and spans is not None:
            check_spans(found, pair, spans)
            following = next(remaining, None)
        yield pair, found
    if following is not None:
        raise RecordError(
            f"{spans}: field 'task_id': {following.task_id!r} is not in {pairs} or not in its order; "
            "localize these pairs again"
        )


def _problem_row(problem: Problem) -> dict[str, Any]:
    """A problem as a row; files of a script are a list of names and texts, as Arrow lays out a map."""
    row = problem.model_dump()
    for test in (*row["tests"], *row["hidden_tests"]):
        if "files" in test:
            test["files"] = [{"key": name, "value": text} for name, text in test["files"].items()]
    return row


def _pair_schema(*, localized: bool) -> Any:
    import pyarrow as pa

    text, spans = pa.string(), pa.list_(pa.list_(pa.int64()))
    columns = dict.fromkeys(("task_id", "prompt", "chosen", "rejected"), text)
    return pa.schema(
        columns | ({"spans_method": text, "rejected_spans": spans, "chosen_spans": spans} if localized else {})
    )


def _problem_schema() -> Any:
    import pyarrow as pa

    text, texts = pa.string(), pa.list_(pa.string())
    test = pa.struct(
        dict.fromkeys(("kind", "call", "expected"), text)
        | {"atol": pa.float64()}
        | dict.fromkeys(("code", "module", "run", "environment"), text)
        | {"files": pa.list_(pa.struct({"key": text, "value": text})), "packages": texts}
    )
    return pa.schema(
        dict.fromkeys(("task_id", "prompt", "entry_point"), text)
        | {"tests": pa.list_(test), "hidden_tests": pa.list_(test)}
        | dict.fromkeys(("reference", "setup", "source", "split"), text)
        | {"features": texts}
    )
