"""Readers of rows, as an ingestion opens them: what is taken and left out before a program runs."""

from pathlib import Path

from iterpref_core.pairs.ingestion.repairs import RepairReader
from iterpref_core.problems.ingestion.columns import PROGRAMS, parse_columns
from iterpref_core.problems.ingestion.presets import OWN_RECORDS, PRESETS
from iterpref_core.problems.ingestion.problems.problem_rows import ProblemReader
from iterpref_core.problems.ingestion.problems.selection import Selection
from iterpref_core.storage.items import read_items
from tests.settings import PARAMS


def repair_reader(columns: str | None = None, split: str | None = None) -> RepairReader:
    return RepairReader(parse_columns(columns, PROGRAMS, split=split), None, PARAMS.pairs)


def read_rows(form: str, source: Path, columns: str | None = None, split: str | None = None) -> list[object]:
    """The rows of a file as problems or repairs, and those that are left out."""
    items = read_items(source, nulls=True)
    if form == "pairs":
        repairs = repair_reader(columns, split)
        return [each for item in items for each in repairs.read(item)]
    named = None
    if form != OWN_RECORDS:
        named = parse_columns(columns, PRESETS[form].parts, preset=PRESETS[form].columns, split=split)
    return list(map(ProblemReader(form, named, Selection(), None).read, items))
