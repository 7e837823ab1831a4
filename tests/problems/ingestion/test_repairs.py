"""Buggy and fixed programs of people, under any names of columns, become pairs by one command."""

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from iterpref_core.problems.ingestion.columns import parse_columns
from iterpref_core.problems.ingestion.intake import read_row
from iterpref_core.records import LinePlace, PreferencePair
from iterpref_core.storage.items import Item
from tests.problems.ingestion.readers import repair_reader

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
