"""Rows of every format: keys that stand twice, nulls, halves of characters, and splits that columns state."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from iterpref_core.pairs.ingestion.preference_pairs import ingest_pairs
from iterpref_core.problems.ingestion.intake import Wanted
from iterpref_core.records import Problem
from iterpref_core.storage.left_out import Dropped, open_left_out
from tests.problems.ingestion.readers import read_rows

PAIR = {"prompt": "Add one.", "chosen": "x = 1\n", "rejected": "x = 2\n"}


def objects(value):
    """The objects within a JSON value that have a key."""
    inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    found = [value] if isinstance(value, dict) and value else []
    return found + [each for part in inner for each in objects(part)]


class Repeating(dict[str, Any]):
    """A dictionary that `json` writes with its first key twice."""

    def items(self):
        pairs = list(super().items())
        return [*pairs, pairs[0]]


def repeating(value, chosen):
    """A JSON value in which one of its objects has its first key twice."""
    if isinstance(value, dict):
        inner = {key: repeating(part, chosen) for key, part in value.items()}
        return Repeating(inner) if value is chosen else inner
    return [repeating(part, chosen) for part in value] if isinstance(value, list) else value


ROWS_OF_FORMATS = {
    "trl": PAIR | {"prompt": [{"role": "user", "content": "Add."}]},
    "pairs": {"prompt": "Add.", "buggy": "x = 2\n", "fixed": "x = 1\n", "note": {"a": [{"b": 1}]}},
    "apps": {
        "question": "Do.",
        "solutions": ["print(1)"],
        "input_output": {"inputs": ["1"], "outputs": ["1"]},
        "note": [{"b": {"c": 1}}],
    },
    "problems": json.loads(Problem.example) | {"reference": "def f(n):\n    return 2\n"},
}


def left_out_of(form, folder, *lines, split=None):
    """Return the rows that are left out before a program runs."""
    source = folder / "in.jsonl"
    source.write_text("".join(f"{line}\n" for line in lines))
    if form == "trl":
        return list(ingest_pairs(Wanted([source], split), folder / "out.jsonl").dropped)
    found = read_rows(form, source, split=split)
    return [row for row in found if isinstance(row, Dropped)]


@given(
    form=st.sampled_from(["trl", "pairs", "apps"]),
    column=st.sampled_from(
        ["\ud800", "lang\udcff", "language", "license", "licenses", "task_id", "problem_id", "split"]
    ),
    value=st.sampled_from(["\ud800", "x", ["\udcff"], {"\ud800": 1}, 3]),
    needed=st.booleans(),
)
def test_half_a_surrogate_pair_ends_no_run_wherever_it_stands(tmp_path_factory, form, column, value, needed):
    row = ROWS_OF_FORMATS[form] | {column: value}
    if needed:
        row = {name: part for name, part in row.items() if name not in ("chosen", "fixed", "question")}
    folder = tmp_path_factory.mktemp("rows")
    left_out = left_out_of(form, folder, json.dumps(ROWS_OF_FORMATS[form]), json.dumps(row))
    with open_left_out(folder / "dropped.jsonl") as written_rows:
        for dropped in left_out:
            written_rows.add(dropped)
    lines = (folder / "dropped.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["explanation"] for line in lines] == [dropped.explanation for dropped in left_out]


@given(form=st.sampled_from(sorted(ROWS_OF_FORMATS)), data=st.data())
def test_a_row_with_a_key_that_stands_twice_is_refused_wherever_it_stands(tmp_path_factory, form, data):
    row = ROWS_OF_FORMATS[form]
    chosen = data.draw(st.sampled_from(objects(row)))
    lines = (json.dumps(row), json.dumps(repeating(row, chosen)))
    explanations = [row.explanation for row in left_out_of(form, tmp_path_factory.mktemp("rows"), *lines)]
    (key, *_) = chosen
    assert explanations == [f"the key {key!r} occurs twice in one object; leave one of them"]


SPLITS_OF_ROWS = {
    "train": "train",
    " Train": "train",
    "test": "test",
    "TestSet": "test",
    "dev": "validation",
    "eval": "test",
}


@given(
    form=st.sampled_from(["apps", "trl", "pairs"]),
    column=st.sampled_from(["split", "Split", "data_split", "dataset-split", "subset", "fold", "latest", "splitter"]),
    stated=st.sampled_from([*SPLITS_OF_ROWS, "codeflow", "fold-3", "", None, 7, ["test"]]),
    asked=st.sampled_from([None, "train", "test", "val", "all"]),
)
def test_a_row_of_another_split_is_never_read_without_a_word(tmp_path_factory, form, column, stated, asked):
    row = ROWS_OF_FORMATS[form] | {column: stated}
    states = SPLITS_OF_ROWS.get(stated) if isinstance(stated, str) and column == "split" else None
    wanted = {None: "train", "val": "validation"}.get(asked, asked)
    right = "taken" if states in (None, wanted) or wanted == "all" else "other_split"
    lines = (json.dumps(ROWS_OF_FORMATS[form]), json.dumps(row))
    left_out = left_out_of(form, tmp_path_factory.mktemp("rows"), *lines, split=asked)
    assert [row.reason for row in left_out] == ([] if right == "taken" else [right])
