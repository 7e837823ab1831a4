"""Data set export: pairs or problems as a folder of Parquet and a card, for `datasets.load_dataset`.

Pairs have TRL's columns `prompt`, `chosen`, `rejected`; problems their record's fields, and a file for each split. A
column has one type: where one prompt is a list of messages, all are, and so are the answers of pairs.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from iterpref_core.execution import is_judged_inside
from iterpref_core.records import FocalSpans, PreferencePair, Problem, unnumbered
from iterpref_core.records.errors import InputError, RecordError
from iterpref_core.records.prompt_messages import chat_messages
from iterpref_core.storage.jsonl import atomic_writer, check_spans, read_jsonl, read_pairs
from iterpref_core.storage.new_folder import new_folder

CARD = "README.md"
DATA = "data"
TRAIN = "train"
"""The split of records that name none, as `load_dataset` calls it."""
_OPTIONAL = {"problem_id": "string", "license": "string", "tested": "bool"}
"""Columns of pairs that are there if a pair states such a thing → their types."""
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
    chats = False
    for pair, region in _join(pairs, spans):
        chats = chats or not isinstance(pair.prompt, str)
        contents.splits[TRAIN] += 1
        origin = origins.get(pair.problem, Origin())
        contents.origins[Origin(origin.source, pair.license or origin.license)] += 1
        contents.stated |= _stated(pair)
        contents.tested += pair.tested is True
        if region is not None:
            contents.methods[region.method] += 1

    def rows(split: str) -> Iterator[dict[str, Any]]:  # noqa: ARG001  # there is one alone
        for pair, region in _join(pairs, spans):
            row = _pair_row(pair, chats=chats)
            row |= {name: getattr(pair, name) for name in _OPTIONAL if name in contents.stated}
            if spans is not None:
                row |= _region_columns(region)
            yield row

    features = _pair_features(localized=spans is not None, chats=chats, stated=contents.stated)
    _write(
        out=out,
        rows=rows,
        features=features,
        contents=contents,
        describe=describe,
        source=pairs,
    )
    written: dict[str, float | str] = {
        "out": str(out),
        "pairs": float(contents.splits.total()),
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
    chats = False
    for problem in read_jsonl(problems, Problem, unique=True):
        chats = chats or not isinstance(problem.prompt, str)
        split = problem.split or TRAIN
        if not _SPLIT.fullmatch(split):
            raise InputError(f"{problems}: field 'split' of {problem.task_id!r}: {split!r} is not one word; change it")
        contents.splits[split] += 1
        contents.origins[_origin(problem)] += 1
        contents.inside += is_judged_inside(problem)
        contents.tests.update({test.kind for test in (*problem.tests, *problem.hidden_tests)})

    def rows(split: str) -> Iterator[dict[str, Any]]:
        for problem in read_jsonl(problems, Problem):
            if (problem.split or TRAIN) == split:
                yield _problem_row(problem, chats=chats)

    features = _problem_features(chats=chats)
    _write(
        out=out,
        rows=rows,
        features=features,
        contents=contents,
        describe=describe,
        source=problems,
    )
    written: dict[str, float | str] = {
        "out": str(out),
        "problems": float(contents.splits.total()),
    }
    for split, number in contents.splits.items():
        written[f"problems/{split}"] = float(number)
    return written


def _write(
    out: Path,
    rows: Callable[..., Iterator[dict[str, Any]]],
    features: Any,
    contents: DataSet,
    describe: Describe,
    source: Path,
) -> None:
    """Write a Parquet file for each split, and the card; the folder appears whole or not at all."""
    from datasets import Dataset

    if not contents.splits:
        raise InputError(f"{source}: has no record; look at the drop reasons of the stages before")
    with new_folder(out) as partial, TemporaryDirectory() as cache:
        (partial / DATA).mkdir()
        for split in contents.splits:
            table = Dataset.from_generator(
                rows,
                features,
                cache_dir=cache,
                gen_kwargs={"split": split},
            )
            table.to_parquet(partial / DATA / f"{split}.parquet")
        with atomic_writer(partial / CARD) as file:
            file.write(describe(contents))


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


def _pair_row(pair: PreferencePair, *, chats: bool) -> dict[str, Any]:
    """Return a pair as a row without its region; with `chats` all texts are lists of messages."""
    row: dict[str, Any] = {
        "task_id": pair.task_id,
        "prompt": pair.prompt,
        "chosen": pair.chosen,
        "rejected": pair.rejected,
    }
    if chats:
        row["prompt"] = chat_messages(pair.prompt)
        row["chosen"] = [{"role": "assistant", "content": pair.chosen}]
        row["rejected"] = [{"role": "assistant", "content": pair.rejected}]
    return row


def _stated(pair: PreferencePair) -> set[str]:
    """Return the optional columns in which a pair states something that its other columns do not."""
    stated = {name for name in ("license", "tested") if getattr(pair, name) is not None}
    if pair.problem != unnumbered(pair.task_id):
        stated.add("problem_id")
    return stated


def _region_columns(region: FocalSpans | None) -> dict[str, Any]:
    """Return the columns of a pair's region; a pair without one has nulls."""
    if region is None:
        return dict.fromkeys(("spans_method", "rejected_spans", "chosen_spans"))
    return {
        "spans_method": region.method,
        "rejected_spans": [list(span) for span in region.rejected],
        "chosen_spans": [list(span) for span in region.chosen],
    }


def _problem_row(problem: Problem, *, chats: bool) -> dict[str, Any]:
    """Return a problem as a row; files of a script are a list of names and texts, as Arrow lays out a map."""
    row = problem.model_dump()
    if chats:
        row["prompt"] = chat_messages(problem.prompt)
    for test in (*row["tests"], *row["hidden_tests"]):
        for name, value in test.items():
            if isinstance(value, dict):
                test[name] = [{"key": path, "value": text} for path, text in value.items()]
    return row


def _pair_features(*, localized: bool, chats: bool, stated: Set[str]) -> Any:
    from datasets import Features, List, Value

    text = Value("string")
    program = _messages() if chats else text
    columns = {
        "task_id": text,
        "prompt": program,
        "chosen": program,
        "rejected": program,
    }
    for name, kind in _OPTIONAL.items():
        if name in stated:
            columns[name] = Value(kind)
    if localized:
        spans = List(List(Value("int64")))
        columns |= {
            "spans_method": text,
            "rejected_spans": spans,
            "chosen_spans": spans,
        }
    return Features(columns)


def _messages() -> Any:
    """Return the type of a column of messages."""
    from datasets import List, Value

    return List({"role": Value("string"), "content": Value("string")})


def _problem_features(*, chats: bool) -> Any:
    from datasets import Features

    columns = {name: _feature(field.annotation) for name, field in Problem.model_fields.items() if name != "prompt"}
    return Features(columns | {"prompt": _messages() if chats else _feature(str)})


def _feature(kind: Any) -> Any:
    """Return the type of a column for the type of a record's field.

    Kinds of tests share a column: it has the fields of all. A mapping of files is a list of names and texts.
    """
    from datasets import List, Value

    if get_origin(kind) is Annotated:
        return _feature(get_args(kind)[0])
    choices = [choice for choice in get_args(kind) if choice not in (type(None), Ellipsis)]
    if get_origin(kind) in (Union, UnionType):
        records = [choice for choice in choices if hasattr(choice, "model_fields")]
        if not records:
            return _feature(choices[0])
        return {name: feature for record in records for name, feature in _feature(record).items()}
    if hasattr(kind, "model_fields"):
        return {name: _feature(field.annotation) for name, field in kind.model_fields.items()}
    if get_origin(kind) is tuple:
        return List(_feature(choices[0]))
    if get_origin(kind) is dict:
        return List({"key": Value("string"), "value": Value("string")})
    if get_origin(kind) is Literal:
        return Value("string")
    return Value({str: "string", bool: "bool", int: "int64", float: "float64"}[kind])
