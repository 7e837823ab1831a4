"""Buggy and fixed programs of people, under any names of columns, become pairs by one command."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterpref_core.pairs.ingestion.preference_pairs import Judging, ingest_pairs
from iterpref_core.problems.ingestion.columns import parse_columns
from iterpref_core.problems.ingestion.intake import Wanted, read_row
from iterpref_core.records import PreferencePair
from iterpref_core.records.input_files import LinePlace
from iterpref_core.storage.items import Item
from iterpref_core.storage.jsonl import read_pairs
from tests.problems.ingestion.readers import repair_reader
from tests.settings import EXECUTION, PARAMS, ROOT
from tests.texts import written

FIXED = "def f(a, b):\n    x = a\n    return x + b\n"
BUGGY = FIXED.replace("+", "-")
FIELD = ROOT.parent / "shared/field/data"


def taken(source, dropped=None, **words):
    out = source.with_suffix(".pairs")
    store = source.with_suffix(".sqlite")
    license = words.pop("license", None)
    rows = Wanted([source], license=license)
    judging = Judging(PARAMS.pairs, EXECUTION, store)
    found = ingest_pairs(rows, out, judging, form="pairs", dropped=dropped, **words)
    assert not store.exists()
    return found, list(read_pairs(out))


@pytest.fixture
def field():
    if not FIELD.is_dir():
        pytest.skip("there are no records of public sets beside this checkout")
    return FIELD


SCHEMAS = {
    "human_errors": ("prompt=statement,buggy=buggy_code,fixed=fixed_code,task_id=id", ["real"]),
    "runbugrun": ("buggy=buggy_code,fixed=fixed_code", ["pair-1"]),
    "debugbench": (
        "prompt=description+examples+constraints,buggy=buggy_code,fixed=solution,task_id=slug",
        ["pair-total", "count-up"],
    ),
    "xcodeeval": (
        (
            "prompt=prob_desc_description,buggy=bug_source_code,fixed=fix_source_code,language=lang,task_id=apr_id,"
            "tests=prob_desc_sample_inputs+prob_desc_sample_outputs"
        ),
        ["x1", "x3"],
    ),
    "commitpackft": ("prompt=message,buggy=old_contents,fixed=new_contents,language=lang", ["pair-1"]),
    "humanevalpack": (
        "buggy=declaration+buggy_solution,fixed=declaration+canonical_solution,tests=test",
        ["Python/0", "Python/1", "Python/2"],
    ),
}


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_published_schema_goes_in(field, tmp_path, name):
    columns, names = SCHEMAS[name]
    source = tmp_path / "in.jsonl"
    source.write_bytes((field / f"{name}.jsonl").read_bytes())
    _, pairs = taken(source, columns=columns)
    assert [pair.task_id for pair in pairs] == names


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
    _, pairs = taken(written(tmp_path / "in.jsonl", *rows))
    assert len({pair.task_id for pair in pairs}) == len(names)
    named = [pair.problem for pair in pairs if not pair.problem.startswith("problem-")]
    assert sorted(named) == sorted(filter(None, names))
