"""Whatever value stands in any place of a row, the row is taken or left out in words, never by an error of Python."""

import json
import re

from hypothesis import given
from hypothesis import strategies as st

from iterpref_core.pairs.ingestion.preference_pairs import ingest_pairs
from iterpref_core.problems.ingestion.intake import Wanted
from iterpref_core.storage.dropped import Dropped
from tests.problems.ingestion.published_rows import ROWS
from tests.problems.ingestion.readers import read_rows

RIGHT = "def f(n):\n    return n + 1\n"
WRONG = "def f(n):\n    return n - 1\n"
OTHER_ROWS = {
    "messages": (
        "trl",
        {
            "prompt": [{"role": "user", "content": "Add."}],
            "chosen": [{"role": "assistant", "content": [{"type": "text", "text": RIGHT}]}],
            "rejected": WRONG,
            "language": "python",
            "license": ["MIT"],
            "problem_id": 3,
        },
    ),
    "calls": ("pairs", {"prompt": "Add.", "fixed": RIGHT, "buggy": [WRONG],
                        "tests": json.dumps({"fn_name": "f", "inputs": [[1]], "outputs": [2]})}),
    "scripts": ("pairs", {"prompt": ["Add."], "fixed": RIGHT, "buggy": WRONG, "entry_point": "f",
                          "tests": [{"input": "1", "output": ["2"]}]}),
}  # fmt: skip
EVERY = {name: (published.form, published.row) for name, published in ROWS.items()} | OTHER_ROWS
ODD = st.sampled_from(
    [None, 0, -1, 1.5, float("nan"), float("inf"), True, 2**63, 10**30, "", " ", "\0", "\ud800", "x", "1", "None",
     "true", "[]", "{}", "[1]", '{"a": 1}', "x = 1", "```", [], {}, [None], [[]], ["a"], [1, "a"], {"a": None},
     {"input": 1}, [{"input": "1"}], {"input": ["1"], "output": "2"}]
)  # fmt: skip
_PYTHON_ERROR = re.compile(r"\w+(Error|Exception|Warning): ")


def places(value):
    """Yield the ways to each value within a JSON value, also through JSON in a text."""
    parts = []
    if isinstance(value, dict):
        parts = list(value.items())
    elif isinstance(value, list):
        parts = list(enumerate(value))
    elif isinstance(value, str) and value[:1] in ("[", "{"):
        try:
            parts = [(json, json.loads(value))]
        except ValueError:
            parts = []
    for name, part in parts:
        yield (name,)
        for place in places(part):
            yield (name, *place)


def changed(value, place, new):
    """Return a JSON value with another value at a place."""
    if not place:
        return new
    name, *rest = place
    if name is json:
        return json.dumps(changed(json.loads(value), tuple(rest), new))
    copy = value.copy()
    copy[name] = changed(value[name], tuple(rest), new)
    return copy


def read(form, folder, row):
    """Return what comes of a row: problems or pairs that are to be run, or the row that is left out."""
    source = folder / "in.jsonl"
    good = OTHER_ROWS["messages"][1]
    source.write_text("".join(json.dumps(each) + "\n" for each in ([good, row] if form == "trl" else [row])))
    if form == "trl":
        found = ingest_pairs(Wanted([source]), folder / "out.jsonl", dropped=folder / "dropped.jsonl")
        return [*found.dropped, *["pair"] * (int(found.counts["pairs"]) - 1)]
    return read_rows(form, source)


@given(name=st.sampled_from(sorted(EVERY)), data=st.data())
def test_a_row_with_any_value_anywhere_is_taken_or_left_out_in_words(tmp_path_factory, name, data):
    form, row = EVERY[name]
    place = data.draw(st.sampled_from(list(places(row))))
    found = read(form, tmp_path_factory.mktemp("row"), changed(row, place, data.draw(ODD)))
    assert found
    for each in found:
        if isinstance(each, Dropped):
            assert not _PYTHON_ERROR.match(each.explanation)
