"""Buggy and fixed programs of people, under any names of columns, become pairs by one command."""

import doctest
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterpref_core.pairs.ingestion.preference_pairs import Judging, ingest_pairs
from iterpref_core.problems.ingestion import row_tests
from iterpref_core.problems.ingestion.columns import parse_columns
from iterpref_core.problems.ingestion.intake import Ingested, Source, read_row
from iterpref_core.programs.source_code import language
from iterpref_core.records import PreferencePair, take_name
from iterpref_core.records.errors import InputError
from iterpref_core.records.input_files import LinePlace
from iterpref_core.storage.items import Item
from iterpref_core.storage.jsonl import read_pairs
from iterpref_core.storage.left_out import Dropped
from tests.problems.ingestion.readers import read_rows, repair_reader
from tests.settings import EXECUTION, PARAMS, ROOT
from tests.texts import written

FIXED = "def f(a, b):\n    x = a\n    return x + b\n"
BUGGY = FIXED.replace("+", "-")
ROW: dict[str, Any] = {"prompt": "Add a and b.", "buggy": BUGGY, "fixed": FIXED, "tests": ["assert f(1, 2) == 3"]}
FIELD = ROOT.parent / "shared/field/data"


def test_the_examples_hold() -> None:
    assert doctest.testmod(language).failed == 0
    assert doctest.testmod(row_tests).failed == 0


def taken(source: Path, dropped: Path | None = None, **words: Any) -> tuple[Ingested, list[PreferencePair]]:
    out = source.with_suffix(".pairs")
    store = source.with_suffix(".sqlite")
    license = words.pop("license", None)
    rows = Source([source], license=license)
    judging = Judging(PARAMS.pairs, EXECUTION, store)
    found = ingest_pairs(rows, out, judging, form="pairs", dropped=dropped, **words)
    assert not store.exists()
    return found, list(read_pairs(out))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"buggy": FIXED.replace("x = a", "x = a  # copy")}, "cosmetic"),
        ({"buggy": FIXED.replace("    x", "    # copy\n    x")}, "comments_only"),
        ({"buggy": FIXED.replace("    x", '    """Add."""\n    x')}, "cosmetic"),
        ({"buggy": FIXED.replace("a\n", "a\n\n\n")}, "cosmetic"),
        ({"buggy": FIXED.replace("\n", "\r\n")}, "same_program"),
        ({"buggy": FIXED.rstrip()}, "same_program"),
        ({"buggy": "\ufeff" + FIXED}, "cosmetic"),
        ({"buggy": FIXED}, "same_program"),
        ({"buggy": "def f(a, b):\n" + "    a = b\n" * 30}, "long_error_region"),
        ({"buggy": " \n"}, "empty"),
        ({"fixed": ""}, "empty"),
        ({"buggy": "I cannot."}, "no_code"),
        ({"buggy": json.dumps([BUGGY])}, "no_code"),
        ({"buggy": json.dumps(BUGGY)}, "no_code"),
        ({"buggy": "a = 2\nprint a\n", "fixed": "a = raw_input()\nprint a\n"}, "not_python"),
        ({"buggy": "a = 2\nprint a\n"}, "not_python"),
        ({"language": "ruby"}, "not_python"),
        ({"language": "PyPy 2"}, "not_python"),
        ({"prompt": " - "}, "no_prompt"),
        ({"fixed": BUGGY.replace("-", "*")}, "fixed_fails"),
        ({"buggy": "def f(a, b):\n    return b + a\n"}, "buggy_passes"),
        ({"tests": ["assert f(1, 2) = 3"]}, "bad_record"),
        ({"tests": "def check(g):\n    assert g(1, 2) == 3\n"}, "bad_record"),
        ({"tests": ["f(1, 2) == 3"]}, "buggy_passes"),
        ({"tests": "not f(1, 2) - 3"}, "buggy_passes"),
        ({"tests": "def add_up():\n    assert f(1, 2) == 3\n"}, "bad_record"),
        ({"tests": {"inputs": ["1"], "outputs": []}}, "bad_record"),
        ({"tests": [{"input": "1", "output": ["1", "2"]}]}, "no_tests"),
        ({"tests": 3}, "bad_record"),
        ({"buggy": [1]}, "bad_record"),
        ({"buggy": [[BUGGY]]}, "bad_record"),
        ({"buggy": []}, "empty"),
        ({"buggy": [BUGGY]}, "bad_record"),
        ({"license": {"name": "MIT"}}, "bad_record"),
        ({"split": "test"}, "other_split"),
        ({"buggy": BUGGY + "# \ud83d"}, "bad_record"),
        ({"prompt": {"a": 1}}, "bad_record"),
    ],
)  # fmt: skip
def test_what_is_no_error_of_a_program_is_left_out_by_name(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    source = written(tmp_path / "in.jsonl", ROW, ROW | change)
    found, pairs = taken(source)
    assert found.counts == {"pairs": 1, "tested": 1, f"dropped/{reason}": 1}
    assert [(pair.prompt, pair.rejected, pair.chosen) for pair in pairs] == [("Add a and b.", BUGGY, FIXED)]


STDIN = {"fixed": "print(int(input()) + 1)\n", "buggy": "print(int(input()))\n"}
UNITTEST = "import unittest\n\nclass T(unittest.TestCase):\n    def test(self):\n        self.assertEqual(f(1, 2), 3)\n"
CHECK = "def check(g):\n    assert g(1, 2) == 3\n"


@pytest.mark.parametrize(
    "change",
    [
        {"tests": "assert f(1, 2) == 3"},
        {"tests": '["assert f(1, 2) == 3"]'},
        {"tests": f"{CHECK}\ncheck(f)"},
        {"tests": CHECK, "entry_point": "f"},
        {"tests": "'''Sums.'''\nN = 3\n\ndef total():\n    return f(1, 2)\n\nassert total() == N\n"},
        {"tests": "from solution import f\n\ndef test_f():\n    assert f(1, 2) == 3\n"},
        {"tests": [UNITTEST]},
        {"tests": json.dumps({"fn_name": "f", "inputs": [[1, 2]], "outputs": [3]})},
        {"tests": {"fn_name": "f", "inputs": [[1, 2]], "outputs": [[3]]}},
        STDIN | {"tests": [{"input": "1\n", "output": "2\n"}, {"input": "5\n", "output": ["6\n"]}]},
        STDIN | {"tests": "[{'input': '1\\n', 'output': ['2\\n']}]"},
        STDIN | {"tests": {"input": ["1\n"], "output": ["2\n"]}},
        STDIN | {"tests": {"inputs": ["1\n"], "outputs": ["2\n"]}},
    ],
)  # fmt: skip
def test_tests_of_every_shape_judge_both_programs(tmp_path: Path, change: dict[str, Any]) -> None:
    _, (pair,) = taken(written(tmp_path / "in.jsonl", ROW | change))
    assert pair.tested is True
    swapped = ROW | change
    swapped |= {"buggy": swapped["fixed"], "fixed": swapped["buggy"]}
    with pytest.raises(InputError, match="1 fixed_fails"):
        taken(written(tmp_path / "swapped.jsonl", swapped))


def test_a_pair_without_tests_says_so_and_one_without_a_statement_asks_for_the_correction(tmp_path: Path) -> None:
    found, (pair,) = taken(written(tmp_path / "in.jsonl", {"buggy": BUGGY, "fixed": FIXED, "license": "GPL-3.0-only"}))
    assert found.counts == {"pairs": 1, "untested": 1}
    assert (pair.tested, pair.license) == (False, "GPL-3.0-only")
    assert pair.prompt == f"Correct this Python program:\n\n```python\n{BUGGY.rstrip()}\n```"


def test_a_program_of_which_a_part_is_null_is_left_out(tmp_path: Path) -> None:
    head, body = FIXED.split("\n", 1)
    rows = [ROW | {"head": f"{head}\n", "body": body}, ROW | {"head": None, "body": FIXED}]
    found, (pair,) = taken(written(tmp_path / "in.jsonl", *rows), columns="fixed=head+body")
    assert pair.chosen == FIXED
    assert found.counts == {"pairs": 1, "tested": 1, "dropped/bad_record": 1}


@pytest.fixture
def field() -> Path:
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
def test_every_published_schema_goes_in(field: Path, tmp_path: Path, name: str) -> None:
    columns, names = SCHEMAS[name]
    source = tmp_path / "in.jsonl"
    source.write_bytes((field / f"{name}.jsonl").read_bytes())
    _, pairs = taken(source, columns=columns)
    assert [pair.task_id for pair in pairs] == names


TEXT = st.text(max_size=20) | st.text(alphabet="ab=():\n\r\t'\"#\x0c\u2028 1+", max_size=40)
PROGRAMS = st.sampled_from([FIXED, BUGGY, "x = 1\r\n", "x = '\u2028'\x0c\n", "\ufeffx = 2", "def f(:\n"]) | TEXT


@given(prompt=TEXT, buggy=PROGRAMS, fixed=PROGRAMS, license=TEXT)
def test_any_text_in_any_column_comes_back_unchanged_or_is_refused(
    prompt: str, buggy: str, fixed: str, license: str
) -> None:
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


@given(names=st.lists(st.sampled_from(NAMES_IN_USE), max_size=20))
def test_a_name_is_taken_once(names: list[str]) -> None:
    known: Counter[str] = Counter()
    assert len({take_name(name, known) for name in names}) == len(names)


def test_no_two_pairs_have_one_name_and_rows_of_one_name_are_of_one_problem(tmp_path: Path) -> None:
    names = [None, *NAMES_IN_USE, "a", None, "a#2", "pair-2"]
    rows = [{"task_id": name, "buggy": f"x = {n}", "fixed": f"x = {n + 1}"} for n, name in enumerate(names)]
    _, pairs = taken(written(tmp_path / "in.jsonl", *rows))
    assert len({pair.task_id for pair in pairs}) == len(names)
    problems = [name or f"pair-{number}" for number, name in enumerate(names, 1)]
    assert sorted(pair.problem for pair in pairs) == sorted(problems)


def test_a_test_with_several_right_outputs_is_left_out_and_counted(tmp_path: Path) -> None:
    tests = [{"input": "0\n", "output": ["1", "2"]}, {"input": "1\n", "output": ["2"]}]
    row = {"buggy": "print(3)\n", "fixed": "print(2)\n", "prompt": "Print 1 or 2."}
    rows = (row | {"tests": json.dumps(tests)}, row | {"tests": tests[:1]})
    found, _ = taken(written(tmp_path / "several.jsonl", *rows))
    assert found.counts == {"pairs": 1, "tested": 1, "tests_left_out/several_outputs": 1, "dropped/no_tests": 1}
    # Inputs and outputs of lines, as in APPS, are one text each.
    lines = {"input": ["1", "2"], "output": ["3", "4"]}
    own = {"fixed": "print('3\\n4')\n", "tests": [lines]}
    assert taken(written(tmp_path / "lines.jsonl", row | own))[0].counts == {"pairs": 1, "tested": 1}


def test_a_name_that_was_used_never_becomes_that_of_another_row_of_a_preference_set(tmp_path: Path) -> None:
    rows = [{"prompt": "p", "chosen": "x = 1\n", "rejected": f"x = {number}\n"} for number in range(2, 7)]
    named = [rows[0] | {"task_id": "pair-3"}, rows[1] | {"task_id": "a"}, rows[2], rows[3] | {"task_id": "a"},
             rows[4] | {"task_id": "pair-4"}]  # fmt: skip
    ingest_pairs(Source([written(tmp_path / "in.jsonl", *named)]), tmp_path / "out.jsonl")
    names = [pair.task_id for pair in read_pairs(tmp_path / "out.jsonl")]
    assert names == ["pair-3", "a", "pair-3#2", "a#2", "pair-4"]


@pytest.mark.parametrize("part", ["task_id", "problem_id", "language", "entry_point"])
@pytest.mark.parametrize("value", [1.5, True, ["a"], {"a": 1}])
@pytest.mark.parametrize("form", ["pairs", "trl"])
def test_a_name_that_is_no_text_is_refused_and_not_passed_over(
    tmp_path: Path, part: str, value: Any, form: str
) -> None:
    if (part, value) == ("language", ["a"]):
        value = [["a"]]
    rows = [ROW | {"chosen": FIXED, "rejected": BUGGY} | own for own in ({part: value}, {part: None}, {})]
    source = written(tmp_path / "in.jsonl", *rows)
    if form == "pairs":
        found = read_rows("pairs", source, "tests=")
        refused = [each.explanation for each in found if isinstance(each, Dropped)]
    else:
        refused = [row.explanation for row in ingest_pairs(Source([source]), tmp_path / "out.jsonl").dropped]
    if form == "trl" and part == "entry_point":
        assert refused == []
        return
    (explanation,) = refused
    assert explanation.startswith(f"{part}: ")
    assert explanation.endswith(f"; to read no such column, add --columns {part}=")


def test_rows_with_empty_ids_are_of_different_problems(tmp_path: Path) -> None:
    rows = [{"problem_id": "", "task_id": None, "buggy": f"x = {n}", "fixed": f"x = {n + 1}"} for n in (1, 3)]
    path = written(tmp_path / "in.jsonl", *rows)
    found, pairs = taken(path)
    assert found.counts == {"pairs": 2, "untested": 2}
    assert [pair.problem for pair in pairs] == ["pair-1", "pair-2"]


def test_every_part_may_be_put_together_of_several_columns(tmp_path: Path) -> None:
    rows = [ROW | {"contest": 1, "index": index, "head": None} for index in ("A", "B")]
    _, pairs = taken(written(tmp_path / "in.jsonl", *rows), columns="task_id=contest+index")
    assert [pair.task_id for pair in pairs] == ["1A", "1B"]
    with pytest.raises(InputError, match=r"columns contest\+head: each is a part of one text"):
        taken(written(tmp_path / "in.jsonl", *rows), columns="task_id=contest+head")
