"""Rows go in and come out as `rows.yaml` says: taken, with these values, or left out, for this reason."""

import json
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from iterpref_core.pairs.ingestion.preference_pairs import Judging, ingest_pairs
from iterpref_core.problems.ingestion.ingest import ingest
from iterpref_core.problems.ingestion.intake import Wanted
from iterpref_core.problems.ingestion.presets import PRESETS
from iterpref_core.problems.ingestion.problem_rows import Selection
from iterpref_core.records import read_yaml
from iterpref_core.storage.items import read_items
from tests.settings import EXECUTION, PARAMS

CASES = read_yaml(Path(__file__).parent / "rows.yaml")


def write(folder, layout, rows):
    """Write rows, which may be lines of JSON, in one of the layouts that are read."""
    source = folder / f"in.{layout}"
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    if layout == "parquet":
        parquet.write_table(pa.Table.from_pylist(rows), source)
    else:
        source.write_text(f"[{','.join(lines)}]" if layout == "json" else "\n".join(lines))
    return source


def read(source, case):
    """Return the outcome, the records, and the rows that are left out."""
    form, columns = case["form"], case.get("columns")
    rows = Wanted([source], case.get("split"), license=case.get("license"))
    out, dropped, store = (source.with_suffix(end) for end in (".out", ".dropped", ".sqlite"))
    if PRESETS[form].parts == "problems":
        selection = Selection(visible=case.get("visible"))
        failing = source.with_suffix(".failing") if "trajectories" in case.get("counts", {}) else None
        given = {"columns": columns, "dropped": dropped, "trajectories": failing}
        found = ingest(rows, form, out, EXECUTION, selection, store, **given)
    else:
        judging = Judging(PARAMS.pairs, EXECUTION, store) if PRESETS[form].parts == "programs" else None
        found = ingest_pairs(rows, out, judging, form=form, columns=columns, dropped=dropped)
    assert not store.exists()
    records, drops = ([json.loads(item.text) for item in read_items(path, nulls=True)] for path in (out, dropped))
    return found, records, drops


def differences(found, expected):
    """Yield (found, expected) where a JSON value has other values than the expected ones; it may have more keys."""
    if isinstance(expected, dict):
        for name, value in expected.items():
            yield from differences(found.get(name), value)
    elif isinstance(expected, list) and isinstance(found, list) and len(found) == len(expected):
        for one, other in zip(found, expected, strict=True):
            yield from differences(one, other)
    elif found != expected:
        yield found, expected


@pytest.mark.parametrize(
    ("name", "layout"), [(name, layout) for name, case in CASES.items() for layout in case.get("layouts", ["jsonl"])]
)
def test_rows_are_taken_or_left_out(tmp_path, name, layout):
    case = CASES[name]
    rows = [row if isinstance(row, str) else case.get("base", {}) | row for row, _ in case["rows"]]
    found, records, drops = read(write(tmp_path, layout, rows), case)
    taken, dropped = iter(records), iter(drops)
    wrong = []
    for number, (row, expected) in enumerate(case["rows"], 1):
        if isinstance(expected, dict):
            wrong += [(row, *each) for each in differences(next(taken, {}), expected)]
            continue
        reason, _, words = expected.partition(": ")
        one = next(dropped, {"reason": None, "explanation": "", "where": ""})
        if one["reason"] != reason or words not in one["explanation"]:
            wrong.append((row, one, expected))
        elif layout == "jsonl" and not one["where"].endswith(f".jsonl:{number}"):
            wrong.append((row, one["where"], number))
    assert wrong == []
    assert (list(taken), list(dropped)) == ([], [])
    assert found.counts.items() >= case.get("counts", {}).items()
