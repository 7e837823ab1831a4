"""Export pairs as a folder of Parquet and a card, for `datasets.load_dataset`.

Pairs have TRL's columns `prompt`, `chosen`, `rejected`. A column has one type: where one prompt is a list of messages,
all are, and so are the answers. All exports have the same columns with the same types: they can be concatenated.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from iterpref_core.records import FocalSpans, PreferencePair, Problem, SourceRow
from iterpref_core.records.errors import InputError, RecordError
from iterpref_core.records.prompt_messages import chat_messages
from iterpref_core.storage.jsonl import atomic_writer, check_spans, read_jsonl, read_pairs
from iterpref_core.storage.new_folder import new_folder

CARD = "README.md"
DATA = "data"
TRAIN = "train"
"""The split, as `load_dataset` calls it."""


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
        pairs: all pairs.
        origins: origin of the problems → pairs.
        methods: method of localization → pairs.
        tested: pairs that state that tests judged both programs.
    """

    pairs: int = 0
    origins: Counter[Origin] = field(default_factory=Counter)
    methods: Counter[str] = field(default_factory=Counter)
    tested: int = 0


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
        spans: JSONL of their spans; without this file the export has no columns for spans.
        problems: JSONL of problems, for the sources of the pairs; may be absent.
        out: a folder that is absent or empty.
        describe: writes the card.

    Returns:
        `out`, `pairs`, and how many of them have `spans`.

    Raises:
        RecordError: a line is broken, or spans are not of these pairs.
        InputError: `out` is not empty, or the file has no pair.
    """
    contents = DataSet()
    origins: dict[str, Origin] = {}
    if problems is not None:
        for problem in read_jsonl(problems, Problem):
            origins[problem.task_id] = Origin(problem.source or None, problem.license or None)
    rows: list[Row] = []
    for pair, region in _join(pairs, spans):
        # The license of the pair itself outranks the license of its problem.
        origin = origins.get(pair.problem, Origin())
        contents.origins[Origin(origin.source, pair.license or origin.license)] += 1
        contents.tested += pair.tested is True
        if region is not None:
            contents.methods[region.method] += 1
        row = _pair_row(pair, region) if spans is not None else dict(pair)
        row["provenance"] = pair.provenance and [dict(each) for each in pair.provenance]
        rows.append(row)
    contents.pairs = len(rows)
    _write(out, rows, contents, describe, pairs)
    written: dict[str, float | str] = {
        "out": str(out),
        "pairs": float(len(rows)),
    }
    if spans is not None:
        written["spans"] = float(contents.methods.total())
    return written


def _write(
    out: Path,
    rows: list[Row],
    contents: DataSet,
    describe: Describe,
    source: Path,
) -> None:
    """Write the rows as a Parquet file, and the card; the folder appears whole or not at all."""
    from datasets import Dataset, Features

    if not rows:
        raise InputError(f"{source}: has no record; look at the drop reasons of the stages before")
    # One prompt of messages makes the whole column conversational.
    chat = any(not isinstance(row["prompt"], str) for row in rows)
    if chat:
        for row in rows:
            _make_chat(row)
    features = Features({name: _feature(name, chat=chat) for name in rows[0]})
    with new_folder(out) as partial:
        (partial / DATA).mkdir()
        Dataset.from_list(rows, features=features).to_parquet(partial / DATA / f"{TRAIN}.parquet")
        with atomic_writer(partial / CARD) as file:
            file.write(describe(contents))


def _feature(name: str, *, chat: bool) -> Any:
    """Return the type of a column, also where no row has a value in it: a field of a pair, or of its region."""
    from datasets import List, Value

    if name.endswith("_spans"):
        return List(List(Value("int64")))
    if chat and name in ("prompt", "chosen", "rejected"):
        return List({"role": Value("string"), "content": Value("string")})
    if name == "provenance":
        fields = {field: Value("int64" if field == "row" else "string") for field in SourceRow.model_fields}
        return List(fields)
    field_of_pair = PreferencePair.model_fields.get(name)
    is_flag = field_of_pair is not None and bool in get_args(field_of_pair.annotation)
    return Value("bool" if is_flag else "string")


def _make_chat(row: Row) -> None:
    """Turn the texts of a row into lists of messages, since a column has one type."""
    row["prompt"] = chat_messages(row["prompt"])
    for name in ("chosen", "rejected"):
        row[name] = [{"role": "assistant", "content": row[name]}]


def _join(pairs: Path, spans: Path | None) -> Iterator[tuple[PreferencePair, FocalSpans | None]]:
    """Yield all pairs in order, each with its spans if there are some."""
    regions: dict[str, FocalSpans] = {}
    if spans is not None:
        regions = {item.task_id: item for item in read_jsonl(spans, FocalSpans, unique=True)}
    for pair in read_pairs(pairs):
        # Spans that remain at the end belong to no pair.
        region = regions.pop(pair.task_id, None)
        if region is not None and spans is not None:
            check_spans(region, pair, spans)
        yield pair, region
    if regions:
        first = next(iter(regions))
        raise RecordError(f"{spans}: field 'task_id': {first!r} is not in {pairs}; localize these pairs again")


def _pair_row(pair: PreferencePair, region: FocalSpans | None) -> Row:
    """Return a pair as a row with the columns of its region, which are null where it has none."""
    row = dict(pair)
    row["spans_method"] = region and region.method
    row["rejected_spans"] = region and [list(span) for span in region.rejected]
    row["chosen_spans"] = region and [list(span) for span in region.chosen]
    return row
