"""Supplied results, put there by hand: published scores, the paper's ablations, debugging against sampling.

All are CSV files in one folder, described in `report_data/README.md`; each may be absent.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from iterpref_core.errors import InputError
from iterpref_core.report.labels import BENCHMARKS, OWN_BENCHMARKS
from iterpref_core.storage.jsonl import describe_validation_error

PUBLISHED, PAPER_ABLATIONS, CALLS = "published.csv", "paper_ablations.csv", "calls.csv"

Text = Annotated[str, Field(min_length=1)]
Share = Annotated[float, Field(allow_inf_nan=False, ge=0, le=1)]


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


R = TypeVar("R", bound=_Row)


class _Score(_Row):
    model: Text
    method: Text
    benchmark: Text
    pass_at_1: float
    source: Text

    @field_validator("pass_at_1")
    @classmethod
    def _is_a_share(cls, value: float) -> float:
        if not 0 <= value <= 1:
            raise ValueError(f"{value:g} is not a share of 1; write 0.616 for 61.6%")
        return value


class Published(_Score):
    """A score that somebody published: `pass_at_1` is a share of 1, `source` says where it stands."""

    @field_validator("benchmark")
    @classmethod
    def _is_public(cls, name: str) -> str:
        public = [key for key in BENCHMARKS if key not in OWN_BENCHMARKS]
        if name not in public:
            known = ", ".join(public)
            raise ValueError(f"{name!r} is not one of {known}")
        return name


class PaperScore(_Score):
    """A score of the paper's ablations: `label` is the row that does the same in a `grid` of ablations.yaml.

    `benchmark` is free text: some of the paper's columns are averages.
    """

    grid: Text
    label: Text


class CallsRow(_Row):
    """Debugging and sampling with at most `calls` calls a problem, as `iterpref compare-sources` writes them.

    `_solved` are problems, `_spent` calls; the difference is debugging less sampling, a share of the `problems`.
    """

    calls: Annotated[int, Field(ge=1)]
    problems: Annotated[int, Field(ge=1)]
    debugging_solved: Annotated[int, Field(ge=0)] | None
    debugging_spent: Annotated[int, Field(ge=0)] | None
    sampling_solved: Annotated[int, Field(ge=0)] | None
    sampling_spent: Annotated[int, Field(ge=0)] | None
    difference: Annotated[float, Field(allow_inf_nan=False, ge=-1, le=1)] | None
    ci95_low: Annotated[float, Field(allow_inf_nan=False, ge=-1, le=1)] | None
    ci95_high: Annotated[float, Field(allow_inf_nan=False, ge=-1, le=1)] | None
    p_value: Share | None

    @model_validator(mode="after")
    def _within_problems(self) -> "CallsRow":
        for name in ("debugging_solved", "sampling_solved"):
            solved = getattr(self, name)
            if solved is not None and solved > self.problems:
                raise ValueError(f"field '{name}': {solved} solved of {self.problems} problems")
        missing = [value is None for value in (self.difference, self.ci95_low, self.ci95_high, self.p_value)]
        if any(missing) and not all(missing):
            raise ValueError("a difference needs all of difference, ci95_low, ci95_high and p_value")
        return self


def load_published(folder: Path) -> list[Published]:
    """The published scores, in the file's order; none where there is no file.

    Raises:
        InputError: a line is broken, or says again what an earlier one said.
    """
    path = folder / PUBLISHED
    rows = list(_read(path, Published))
    _check_distinct(
        path,
        (
            (line, (f"{row.method} of {row.model} on {row.benchmark} from this source", row.source))
            for line, row in rows
        ),
    )
    return [row for _, row in rows]


def load_paper_ablations(folder: Path) -> list[PaperScore]:
    """The scores of the paper's ablations, in the file's order; none where there is no file.

    Raises:
        InputError: a line is broken, says again what an earlier one said, or names another model, method or source than
            the lines of the same row.
    """
    path = folder / PAPER_ABLATIONS
    rows = list(_read(path, PaperScore))
    _check_distinct(path, ((line, (f"{row.grid}, {row.label} on {row.benchmark}",)) for line, row in rows))
    of_row: dict[tuple[str, str], tuple[str, str, str]] = {}
    for line, row in rows:
        known = of_row.setdefault((row.grid, row.label), (row.model, row.method, row.source))
        if known != (row.model, row.method, row.source):
            raise InputError(
                f"{path}:{line}: {row.grid}, {row.label} is of {', '.join(known)} in an earlier line; "
                "a row has one model, one method and one source"
            )
    return [row for _, row in rows]


def load_calls(folder: Path) -> list[CallsRow]:
    """Debugging against sampling by number of calls; empty where there is no file.

    Raises:
        InputError: a line is broken, or numbers of calls do not grow.
    """
    path = folder / CALLS
    rows: list[CallsRow] = []
    for line, row in _read(path, CallsRow):
        if rows and (row.calls <= rows[-1].calls or row.problems != rows[-1].problems):
            raise InputError(
                f"{path}:{line}: fields 'calls' and 'problems': calls grow from line to line, problems stay the same; "
                "run `iterpref compare-sources` again"
            )
        rows.append(row)
    return rows


def _read(path: Path, record: type[R]) -> Iterator[tuple[int, R]]:
    """Yield (line number, record) of a CSV with a header; nothing where the file is absent. Empty cells are None."""
    try:
        file = path.open(encoding="utf-8-sig", newline="")
    except FileNotFoundError:
        return
    with file:
        rows = csv.reader(file, strict=True)
        try:
            header = next(rows, [])
            _check_header(path, header, list(record.model_fields))
            for cells in filter(any, rows):
                yield rows.line_num, _parse(f"{path}:{rows.line_num}", record, header, cells)
        except (csv.Error, UnicodeDecodeError) as error:
            raise InputError(f"{path}:{rows.line_num + 1}: not UTF-8 CSV ({error}); save it as such") from None


def _check_distinct(path: Path, keys: Iterable[tuple[int, tuple[str, ...]]]) -> None:
    """Refuse (line, key) pairs of which a key stands twice; a key begins with what it says."""
    found: dict[tuple[str, ...], int] = {}
    for line, key in keys:
        if key in found:
            raise InputError(f"{path}:{line}: {key[0]} stands in line {found[key]} already; remove one of them")
        found[key] = line


def _check_header(path: Path, header: Sequence[str], wanted: Sequence[str]) -> None:
    if sorted(header) != sorted(wanted):
        raise InputError(
            f"{path}:1: the columns are {', '.join(header) or 'none'}; needed are {','.join(wanted)} "
            "(see report_data/README.md)"
        )


def _parse(place: str, record: type[R], header: Sequence[str], cells: Sequence[str]) -> R:
    if len(cells) != len(header):
        raise InputError(f"{place}: {len(cells)} cells where the header has {len(header)}; quote text with commas")
    values: dict[str, Any] = {name: cell.strip() or None for name, cell in zip(header, cells, strict=True)}
    try:
        return record.model_validate(values)
    except ValidationError as error:
        raise InputError(f"{place}: {describe_validation_error(error)}") from None
