"""Buggy and fixed programs of people, under any names of columns, become pairs by one command."""

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from iterpref_core.pairs.ingestion.preference_pairs import Judging, ingest_pairs
from iterpref_core.problems.ingestion.columns import parse_columns
from iterpref_core.problems.ingestion.intake import Wanted, read_row
from iterpref_core.records import LinePlace, PreferencePair
from iterpref_core.storage.items import Item
from iterpref_core.storage.jsonl import read_pairs
from tests.problems.ingestion.readers import repair_reader
from tests.settings import EXECUTION, PARAMS
from tests.texts import written

FIXED = "def f(a, b):\n    x = a\n    return x + b\n"
BUGGY = FIXED.replace("+", "-")


TEXT = st.text(max_size=20) | st.text(alphabet="ab=():\n\r\t'\"#\x0c\u2028 1+", max_size=40)
LINES = st.sampled_from(
    ["def f(n):", "    return n", "x = 1", "print x", "print(x)", "", "for i in xrange(3):", "\tpass", "# a",
     "Done.", "x = '''", "'''", "\x0c", "y = 2\r", "a: b", "x <- 2", "while x:", "class A:", "x = '\u2028'"]
)  # fmt: skip
PROGRAMS = st.sampled_from([FIXED, BUGGY, "x = 1\r\n", "x = '\u2028'\x0c\n", "\ufeffx = 2", "def f(:\n"]) | TEXT
PROGRAMS |= st.lists(LINES, max_size=6).map("\n".join)


@given(prompt=TEXT, buggy=PROGRAMS, fixed=PROGRAMS, license=TEXT)
def test_any_text_in_any_column_comes_back_unchanged_or_is_refused(prompt, buggy, fixed, license):
    row = {"prompt": prompt, "buggy": buggy, "fixed": fixed, "license": license}
    item = Item(LinePlace(Path("in.jsonl"), 1), 1, json.dumps(row))
    named = parse_columns(None, "programs")
    pair = read_row(item, named, repair_reader(named))
    if isinstance(pair, PreferencePair):
        assert (pair.prompt, pair.rejected, pair.chosen) == (prompt, buggy, fixed)
        assert pair.license == (license.strip() or None)
    else:
        assert pair.reason


NAMES_IN_USE = ["a", "a#2", "a#2#2", "a#3", "pair-2", "pair-2#2"]


def test_no_two_pairs_have_one_name_and_rows_of_one_name_are_of_one_problem(tmp_path):
    names = [None, *NAMES_IN_USE, "a", None, "a#2", "pair-2"]
    rows = [{"task_id": name, "buggy": f"x = {n}", "fixed": f"x = {n + 1}"} for n, name in enumerate(names)]
    source, out = Wanted([written(tmp_path / "in.jsonl", *rows)]), tmp_path / "pairs.jsonl"
    ingest_pairs(source, out, Judging(PARAMS.pairs, EXECUTION, tmp_path / "store"), form="pairs")
    pairs = list(read_pairs(out))
    assert len({pair.task_id for pair in pairs}) == len(names)
    named = [pair.problem for pair in pairs if not pair.problem.startswith("problem-")]
    assert sorted(named) == sorted(filter(None, names))
