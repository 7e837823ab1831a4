"""Data set export: pairs or problems as a folder of Parquet and a card, for `datasets.load_dataset`.

Pairs have TRL's columns `prompt`, `chosen`, `rejected`; problems their record's fields, and a file for each split. A
column has one type: where one prompt is a list of messages, all are, and so are the answers of pairs.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from iterpref_core.execution import is_judged_inside
from iterpref_core.records import FocalSpans, PreferencePair, Problem
from iterpref_core.records.errors import InputError, RecordError
from iterpref_core.records.prompt_messages import chat_messages
from iterpref_core.storage.jsonl import atomic_writer, check_spans, read_jsonl, read_pairs
from iterpref_core.storage.new_folder import new_folder

CARD = "README.md"
DATA = "data"
TRAIN = "train"
"""The split of records that name none, as `load_dataset` calls it."""
_OPTIONAL = ("problem_id", "license", "tested")
"""Columns of pairs that are there if a pair states such a thing."""
_SPLIT = re.compile(r"\w+(\.\w+)*")


@dataclass(frozen=True)
class Origin:
    """The origin of a problem, as far as the problem states it.

    Attributes:
        source: name of the set; None: unknown.
        license: an SPDX expression; None: the problem states none.
    """

    source: str | None = None
    license: str | None = None


@dataclass
class DataSet:
    """The counts of a data set, for its card.

    Attributes:
        splits: split → rows.
        origins: origin of the problems → rows.
        methods: method of localization → pairs.
        tests: kind of test → problems with such a test.
        inside: problems whose tests are judged inside.
        tested: pairs that say that tests have judged both programs.
        stated: columns that are there since a pair states such a thing.
    """

    splits: Counter[str] = field(default_factory=Counter)
    origins: Counter[Origin] = field(default_factory=Counter)
    methods: Counter[str] = field(default_factory=Counter)
    tests: Counter[str] = field(default_factory=Counter)
    inside: int = 0
    tested: int = 0
    stated: set[str] = field(default_factory=set)


Describe = Callable[[DataSet], str]
"""Writes the card."""
Row = dict[str, Any]


def export_pairs(
    pairs: Path,
    spans: Path | None,
    problems: Path | None,
    out: Path,
    describe: Describe,
) -> dict[str, float | str]:
    """Write preference pairs, each with its error region if there is one.

    Args:
        pairs: JSONL of pairs.
        spans: JSONL of their spans; without this file there are no columns for spans.
        problems: JSONL of problems, for the sources of the pairs; may be absent.
        out: a folder that is absent or empty.
        describe: writes the card.

    Returns:
        `out`, `pairs`, and how many of them have `spans`.

    Raises:
        RecordError: a line is broken, or spans are not of these pairs.
        InputError: `out` holds something, or there is no pair.
    """
    contents = DataSet()
    origins: dict[str, Origin] = {}
    if problems is not None:
        origins = {problem.task_id: _origin(problem) for problem in read_jsonl(problems, Problem)}
    rows: list[Row] = []
    for pair, region in _join(pairs, spans):
        origin = origins.get(pair.problem, Origin())
        contents.origins[Origin(origin.source, pair.license or origin.license)] += 1
        contents.tested += pair.tested is True
        contents.stated.update(name for name in _OPTIONAL if getattr(pair, name) is not None)
        if region is not None:
            contents.methods[region.method] += 1
        rows.append(_pair_row(pair, region))
    columns = {"task_id", "prompt", "chosen", "rejected"} | contents.stated
    if spans is not None:
        columns |= {"spans_method", "rejected_spans", "chosen_spans"}
    rows = [{name: value for name, value in row.items() if name in columns} for row in rows]
    _write(out, {TRAIN: rows}, contents, describe, pairs)
    written: dict[str, float | str] = {
        "out": str(out),
        "pairs": float(len(rows)),
    }
    if spans is not None:
        written["spans"] = float(contents.methods.total())
    return written


def export_problems(
    problems: Path,
    out: Path,
    describe: Describe,
) -> dict[str, float | str]:
    """Write problems with their tests, each split into a file of its own.

    Args:
        problems: JSONL of problems.
        out: a folder that is absent or empty.
        describe: writes the card.

    Returns:
        `out`, `problems`, and the number of each split.

    Raises:
        RecordError: a line is broken.
        InputError: `out` holds something, there is no problem, or a split's name cannot be a data set's.
    """
    contents = DataSet()
    rows: dict[str, list[Row]] = {}
    for problem in read_jsonl(problems, Problem, unique=True):
        split = problem.split or TRAIN
        if not _SPLIT.fullmatch(split):
            raise InputError(f"{problems}: field 'split' of {problem.task_id!r}: {split!r} is not one word; change it")
        contents.origins[_origin(problem)] += 1
        contents.inside += is_judged_inside(problem)
        contents.tests.update({test.kind for test in (*problem.tests, *problem.hidden_tests)})
        rows.setdefault(split, []).append(_problem_row(problem))
    _write(out, rows, contents, describe, problems)
    written: dict[str, float | str] = {
        "out": str(out),
        "problems": float(contents.splits.total()),
    }
    for split, number in contents.splits.items():
        written[f"problems/{split}"] = float(number)
    return written


def _write(
    out: Path,
    rows: Mapping[str, list[Row]],
    contents: DataSet,
    describe: Describe,
    source: Path,
) -> None:
    """Write the rows of each split as a Parquet file, and the card; the folder appears whole or not at all."""
    from datasets import Dataset

    every = [row for of_split in rows.values() for row in of_split]
    if not every:
        raise InputError(f"{source}: has no record; look at the drop reasons of the stages before")
    if any(not isinstance(row["prompt"], str) for row in every):
        for row in every:
            _make_chat(row)
    # One table of all splits: Arrow finds types that hold for all rows, and each file has the same ones.
    table = Dataset.from_list(every)
    with new_folder(out) as partial:
        (partial / DATA).mkdir()
        begin = 0
        for split, of_split in rows.items():
            end = begin + len(of_split)
            table.select(range(begin, end)).to_parquet(partial / DATA / f"{split}.parquet")
            begin = end
            contents.splits[split] = len(of_split)
        with atomic_writer(partial / CARD) as file:
            file.write(describe(contents))


def _make_chat(row: Row) -> None:
    """Turn the texts of a row into lists of messages, since a column has one type."""
    row["prompt"] = chat_messages(row["prompt"])
    for name in ("chosen", "rejected"):
        if name in row:
            row[name] = [{"role": "assistant", "content": row[name]}]


def _join(pairs: Path, spans: Path | None) -> Iterator[tuple[PreferencePair, FocalSpans | None]]:
    """Yield all pairs in order, each with its spans if there are some."""
    regions: dict[str, FocalSpans] = {}
    if spans is not None:
        regions = {item.task_id: item for item in read_jsonl(spans, FocalSpans, unique=True)}
    for pair in read_pairs(pairs):
        region = regions.pop(pair.task_id, None)
        if region is not None and spans is not None:
            check_spans(region, pair, spans)
        yield pair, region
    if regions:
        first = next(iter(regions))
        raise RecordError(f"{spans}: field 'task_id': {first!r} is not in {pairs}; localize these pairs again")


def _origin(problem: Problem) -> Origin:
    return Origin(problem.source or None, problem.license or None)


def _pair_row(pair: PreferencePair, region: FocalSpans | None) -> Row:
    """Return a pair as a row with all columns; without a region those for spans are null."""
    row = dict(pair)
    row["spans_method"] = region and region.method
    row["rejected_spans"] = region and [list(span) for span in region.rejected]
    row["chosen_spans"] = region and [list(span) for span in region.chosen]
    return row


def _problem_row(problem: Problem) -> Row:
    """Return a problem as a row; files of a script are a list of names and texts, as Arrow lays out a map."""
    row = problem.model_dump() | {"prompt": problem.prompt}
    for test in (*row["tests"], *row["hidden_tests"]):
        for name, value in test.items():
            if isinstance(value, dict):
                test[name] = [{"key": path, "value": text} for path, text in value.items()]
    return row
