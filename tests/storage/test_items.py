"""Data files: the same objects come out of every layout, with their places, and broken files are named."""

import bz2
import csv
import gzip
import io
import json
import lzma
import tempfile
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from iterpref_core.records import InputError, RecordError
from iterpref_core.storage.items import read_items

ROWS = [
    {"id": number, "text": "x" * (number * 30_000) + "é]}", "nested": {"input": ["1\n", "2\n"]}} for number in range(5)
]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS).encode()


def _zstandard(data):
    return bytes(pa.compress(data, codec="zstd", asbytes=True))


def _parquet():
    file = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(ROWS), file, row_group_size=2)
    return file.getvalue()


LAYOUTS = {
    "a.jsonl": LINES,
    "a.jsonl.gz": gzip.compress(LINES),
    "frames.jsonl.zst": _zstandard(LINES[: len(LINES) // 2]) + _zstandard(LINES[len(LINES) // 2 :]),
    "arrays.json": f"{json.dumps(ROWS[:2])}\n{json.dumps(ROWS[2:])}".encode(),
    "a.json": json.dumps(ROWS, indent=2, ensure_ascii=False).encode(),
    "one_line.json": json.dumps(ROWS).encode("utf-8-sig"),
    "indented.json": "".join(json.dumps(row, indent=2) + "\n" for row in ROWS).encode(),
    "windows.jsonl": "\r\n\r\n".join(json.dumps(row, indent=1) for row in ROWS).encode("utf-8-sig"),
    "a.json.zst": _zstandard(json.dumps(ROWS).encode()),
    "A.JSONL": LINES,
    "A.JSON.GZ": gzip.compress(json.dumps(ROWS).encode()),
    "a.txt": LINES,
    "a": LINES,
    "a.parquet": _parquet(),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_gives_the_same_objects(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(LAYOUTS[name])
    items = list(read_items(path))
    assert [json.loads(item.text) for item in items] == ROWS
    assert [item.number for item in items] == [1, 2, 3, 4, 5]


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 12\n"
NOT_WHOLE = {
    "none.parquet": (None, ": no such file"),
    "none.jsonl.zst": (None, ": no such file"),
    "cut.parquet": (b"PAR1", ": not a whole file"),
    "cut.jsonl.gz": (gzip.compress(LINES)[:-5], ": not a whole packed file"),
    "no.jsonl.gz": (b"hello", ": not a whole packed file"),
    "cut.jsonl.zst": (_zstandard(LINES)[:-9], ": not a whole packed file"),
    "no.jsonl.zst": (b"hello", ": not a whole packed file"),
    "cut.json": (b'[{"a": 1},\n {"a', ":2:3: not valid JSON"),
    "open.json": (b'[{"a": 1},\n ', ":2:2: not valid JSON"),
    "indented.json": (b'{\n "a": 1\n}\n{\n "a": \n', ":6: not valid JSON"),
    "latin.json": (b'[{"a": "\xe9"}]', ":1:9: not UTF-8"),
    "latin.csv": (b"a\n\xe9\n", ":2: not UTF-8"),
    "cut.csv": (b"a,b\n1,2\n3\n", ": line 3 has fewer cells than there are columns"),
    "more.json": (b'[{"a": 1}]\n{"a": 2}', ":2:9: not valid JSON"),
    "gzip.jsonl": (gzip.compress(b"{}", mtime=0), ":1:2: not UTF-8"),
    "bzip2.jsonl": (bz2.compress(b"{}"), ":1:"),
    "xz.jsonl": (lzma.compress(b"{}"), ":1: not UTF-8"),
    **dict.fromkeys(
        ("a.parquet", "a.arrow", "a.jsonl", "a.jsonl.gz", "a.csv.zst"), (POINTER, ": is a pointer of Git LFS")
    ),
}


@pytest.mark.parametrize("name", NOT_WHOLE)
def test_a_file_that_is_not_whole_or_not_what_its_name_says_is_named(tmp_path, name):
    data, message = NOT_WHOLE[name]
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises((InputError, RecordError)) as refused:
        list(read_items(tmp_path / name))
    assert f"{name}{message}" in str(refused.value)


def test_a_map_of_arrow_is_a_mapping_and_what_python_cannot_hold_is_refused(tmp_path):
    path = tmp_path / "rows.parquet"
    values = [[("role", b"user")], [], None]
    parquet.write_table(pa.table({"a": pa.array(values, pa.map_(pa.string(), pa.binary()))}), path)
    assert [json.loads(item.text) for item in read_items(path)] == [{"a": {"role": "user"}}, {"a": {}}, {}]
    parquet.write_table(pa.table({"a": pa.array([[(1, b"x")]], pa.map_(pa.int64(), pa.binary()))}), path)
    assert [json.loads(item.text) for item in read_items(path)] == [{"a": {"1": "x"}}]
    twice = pa.array([[("a", 1), ("a", 2)]], pa.map_(pa.string(), pa.int64()))
    for column in (twice, pa.array([10**17], pa.timestamp("ms")), pa.array([2**62], pa.duration("s"))):
        parquet.write_table(pa.table({"a": column}), path)
        with pytest.raises(InputError, match=r"rows.parquet: .* a value that Python does not have"):
            list(read_items(path))


@given(st.lists(st.sampled_from(["]", ",", "\n", " ", '{"a": 1}', '{"b": [{}]}', "null", '"]"', "1"]), max_size=9))
def test_an_array_gives_all_its_values(parts):
    text = "".join(["[", *parts])
    try:
        whole = json.loads(text)
    except ValueError:
        whole = None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.json")
        path.write_text(text)
        try:
            found = [json.loads(item.text) for item in read_items(path)]
        except RecordError:
            found = None
    # A comma too many or too few is no matter, as no value is lost by it.
    if whole is not None:
        assert found == whole


def test_two_columns_of_one_name_are_refused(tmp_path):
    path = tmp_path / "a.parquet"
    parquet.write_table(pa.table([pa.array(["1"]), pa.array(["2"])], names=["code", "code"]), path)
    with pytest.raises(InputError, match=r"a\.parquet: 2 columns are called 'code'"):
        list(read_items(path))


@pytest.mark.parametrize(
    ("name", "delimiter", "encoding"), [("a.csv", ",", "utf-8"), ("a.csv", ";", "utf-8-sig"), ("a.tsv", "\t", "utf-8")]
)
def test_csv_is_text_whatever_a_spreadsheet_separates_cells_by(tmp_path, name, delimiter, encoding):
    rows = [
        {"id, or; none": "007", "code": "x = 1,\n", "a": "None"},
        {"id, or; none": "", "code": 'f("a;\t")', "a": "é"},
    ]
    with (tmp_path / name).open("w", encoding=encoding, newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    assert [json.loads(item.text) for item in read_items(tmp_path / name, nulls=True)] == rows


@pytest.mark.parametrize("ending", ["parquet", "arrow"])
def test_class_labels_are_read_by_their_names(tmp_path, ending):
    import datasets

    label = datasets.ClassLabel(names=["OK", "WA"])
    number = datasets.Value("int64")
    features = datasets.Features(
        {"passed": label, "n": number, "each": datasets.List({"passed": label, "n": number}), "all": [label]}
    )
    each = [{"passed": 0, "n": 0}]
    # -1 is what `datasets` writes where nobody has given a label.
    every = [[1, 0], [], [], []]
    columns = {"passed": [1, 0, None, -1], "n": [1, 0, 2, 3], "each": [each, [], None, each], "all": every}
    rows = datasets.Dataset.from_dict(columns, features=features)
    rows.save_to_disk(str(tmp_path))
    rows.to_parquet(tmp_path / "a.parquet")
    (path,) = tmp_path.glob(f"*.{ending}")
    read = [json.loads(item.text) for item in read_items(path, nulls=True)]
    assert [row["passed"] for row in read] == ["WA", "OK", None, None]
    assert [row["n"] for row in read] == [1, 0, 2, 3]
    assert read[0]["each"] == [{"passed": "OK", "n": 0}]
    assert read[0]["all"] == ["WA", "OK"]
